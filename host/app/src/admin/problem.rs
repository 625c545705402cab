//! Why a request was not done. The only place where that becomes a status.

use super::json_answer;
use crate::{
    control::{ChangeError, ListenerError, ReloadError},
    endpoint::Peer,
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;
use socklet_plugin::LoadError;
use tracing::warn;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("show the token: authorization: Bearer TOKEN")]
    NoToken,
    #[error("this is not the token")]
    WrongToken,
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("there is no connection {0}")]
    NoSuchConnection(String),
    #[error("there is no tenant {0}")]
    NoSuchTenant(String),
    #[error("this query is not known; there is {0}")]
    Query(&'static str),
    #[error("use {0}")]
    Method(&'static str),
    #[error("the body is too large, at most {0} bytes are read")]
    TooLarge(u64),
    #[error("the body took too long")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("failed to write the answer")]
    Internal,
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("the configuration was not reloaded, nothing was changed")]
    Reload(#[from] ReloadError),
}

// === impl Problem ===

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::NoSuchPath
            | Self::NoSuchConnection(_)
            | Self::NoSuchTenant(_)
            | Self::Change(ChangeError::Unknown(_))
            | Self::Listener(ListenerError::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Listener(ListenerError::Bind(_)) => StatusCode::CONFLICT,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Change(ChangeError::Load(LoadError::Host(_))) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Change(ChangeError::Load(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Change(ChangeError::NothingBefore(_)) => StatusCode::CONFLICT,
            Self::Reload(ReloadError::Lost) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Reload(error) if error.needs_restart() => StatusCode::CONFLICT,
            Self::Reload(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// Tells of whoever is not let in.
    pub(super) fn log(&self, peer: Peer) {
        if let Self::NoToken | Self::WrongToken = self {
            warn!(who = %peer, "a request without the right token was refused");
        }
    }

    pub(super) fn into_answer(self) -> Response<Full<Bytes>> {
        let mut body = json!({ "error": self.to_string() });
        if let Self::Reload(error) = &self {
            body["problems"] = error.problems().into();
        }
        let mut answer = json_answer(&body).unwrap_or_default();
        *answer.status_mut() = self.status();
        let field = match self {
            Self::NoToken => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"socklet\"")),
            Self::WrongToken => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"socklet\", error=\"invalid_token\"")),
            Self::Method(allowed) => Some((header::ALLOW, allowed)),
            _ => None,
        };
        if let Some((name, value)) = field {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}
