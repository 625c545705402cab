//! The host's no, before the 101. The only place where a refusal becomes an HTTP status and text.

use crate::EventId;
use http::StatusCode;
use std::{borrow::Cow, time::Duration};

/// Why the host refuses a request. An authenticator's own no is a denial, and its response is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The handshake is malformed (RFC 6455, section 4.2.1); the text names what is missing.
    BadHandshake(&'static str),
    /// A version other than 13, or none.
    BadVersion,
    /// A plain HTTP request where only WebSockets are served.
    UpgradeRequired,
    /// A method other than GET.
    MethodNotAllowed,
    /// More header fields than are taken.
    TooManyFields,
    /// Every authenticator abstained.
    Unauthenticated,
    /// The Origin is not allowed here.
    OriginNotAllowed,
    /// No route.
    NotFound,
    /// Too many connections or handshakes from this address.
    TooManyRequests {
        /// When to come back.
        retry_after: Duration,
    },
    /// An authenticator or a behavior failed, or answered nonsense.
    PluginFailed(EventId),
    /// The node drains or is full.
    Unavailable {
        /// When to come back.
        retry_after: Duration,
    },
}

impl Refusal {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadHandshake(_) => StatusCode::BAD_REQUEST,
            Self::BadVersion | Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::PluginFailed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body of the response: one short sentence, no internals.
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::BadHandshake(what) => Cow::Borrowed(what),
            Self::BadVersion => "this server speaks WebSocket version 13".into(),
            Self::UpgradeRequired => "this path serves WebSocket connections".into(),
            Self::MethodNotAllowed => "use GET".into(),
            Self::TooManyFields => "too many header fields".into(),
            Self::Unauthenticated => "authentication required".into(),
            Self::OriginNotAllowed => "origin not allowed".into(),
            Self::NotFound => "nothing here".into(),
            Self::TooManyRequests { .. } => "too many connections, try again later".into(),
            Self::PluginFailed(event) => format!("server error, event {event}").into(),
            Self::Unavailable { .. } => "not available, try again later".into(),
        }
    }

    /// When to come back, for the refusals that pass.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } | Self::Unavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The refusal's name in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::BadHandshake(_) => "bad-handshake",
            Self::BadVersion => "bad-version",
            Self::UpgradeRequired => "upgrade-required",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooManyFields => "too-many-fields",
            Self::Unauthenticated => "unauthenticated",
            Self::OriginNotAllowed => "origin-not-allowed",
            Self::NotFound => "not-found",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::PluginFailed(_) => "plugin-failed",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}
