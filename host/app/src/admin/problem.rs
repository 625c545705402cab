//! Why a request was not done, as RFC 9457 has it. The only place where that becomes a status.

use crate::{
    access::NotLetIn,
    control::{ChangeError, DrainError, ListenerError, ReloadError},
    endpoint::{Body, full},
};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use socklet_core::SendError;
use socklet_plugin::LoadError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("show the token: authorization: Bearer TOKEN")]
    NoToken,
    #[error("this is not a token that is accepted")]
    WrongToken,
    #[error("the certificate is of nobody who is let in: have it written into tokens_file, or show a token")]
    UnknownCertificate,
    #[error("too many requests from here were refused; try again in {0} s")]
    TooManyFailures(u64),
    #[error("this token may look and not change; use one with role = \"write\"")]
    ReadOnly,
    #[error("there is nothing at this path; /v1/openapi.json says what there is")]
    NoSuchPath,
    #[error("there is no {0} {1}")]
    NoSuch(&'static str, String),
    #[error("use {0}")]
    Method(String),
    #[error("the query is not right: {0}")]
    Query(String),
    #[error("the body is not right: {0}")]
    Content(String),
    #[error("the body is of another type; send {0}")]
    MediaType(&'static str),
    #[error("the body is too large, at most {0} bytes are read")]
    TooLarge(u64),
    #[error("the body took too long")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("as many read along as may; try again when one of them has gone")]
    TooManyReaders,
    #[error("the message was not sent: {0}")]
    Send(SendError),
    #[error("{0}")]
    Conflict(String),
    #[error("failed to write the answer")]
    Internal,
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("the configuration was not reloaded, nothing was changed")]
    Reload(#[from] ReloadError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error(transparent)]
    Drain(#[from] DrainError),
}

// === impl Problem ===

impl Problem {
    /// Its status, and the last part of its type.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no-token"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "wrong-token"),
            Self::UnknownCertificate => (StatusCode::UNAUTHORIZED, "unknown-certificate"),
            Self::TooManyFailures(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many-failures"),
            Self::ReadOnly => (StatusCode::FORBIDDEN, "read-only"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "no-such-path"),
            Self::NoSuch(..) | Self::Change(ChangeError::Unknown(_)) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "query"),
            Self::Content(_) => (StatusCode::UNPROCESSABLE_ENTITY, "content"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
            Self::TooLarge(_) | Self::Send(SendError::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "broken-off"),
            Self::TooManyReaders => (StatusCode::SERVICE_UNAVAILABLE, "too-many-readers"),
            Self::Send(SendError::Unknown) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Send(SendError::NotOpen) => (StatusCode::CONFLICT, "not-open"),
            Self::Send(SendError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "queue-full"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Internal | Self::Send(SendError::Invalid) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Change(ChangeError::Load(LoadError::Host(_))) => (StatusCode::SERVICE_UNAVAILABLE, "host"),
            Self::Change(ChangeError::Load(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "component"),
            Self::Change(ChangeError::NothingBefore(_)) => (StatusCode::CONFLICT, "nothing-before"),
            Self::Change(ChangeError::NowhereToKeep) => (StatusCode::CONFLICT, "no-uploads"),
            Self::Change(ChangeError::NotKept(_)) => (StatusCode::INSUFFICIENT_STORAGE, "not-kept"),
            Self::Change(ChangeError::NotRecorded(_)) => (StatusCode::INSUFFICIENT_STORAGE, "not-recorded"),
            Self::Reload(ReloadError::Write(_)) => (StatusCode::INSUFFICIENT_STORAGE, "not-kept"),
            Self::Reload(ReloadError::Lost) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Reload(error) if error.needs_restart() => (StatusCode::CONFLICT, "needs-restart"),
            Self::Reload(_) => (StatusCode::UNPROCESSABLE_ENTITY, "configuration"),
            Self::Listener(ListenerError::Unknown(_)) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Drain(DrainError::Unknown(_) | DrainError::NoSuch(_)) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Drain(DrainError::TooMany) => (StatusCode::SERVICE_UNAVAILABLE, "too-many-drains"),
            Self::Drain(_) => (StatusCode::CONFLICT, "drain"),
            Self::Listener(ListenerError::Bind(_)) => (StatusCode::CONFLICT, "bind"),
        }
    }

    /// The outcome's name in the metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self.kind().0 {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::TOO_MANY_REQUESTS => "throttled",
            status if status.is_server_error() => "failed",
            _ => "refused",
        }
    }

    pub(super) fn into_answer(self) -> Response<Body> {
        let (status, kind) = self.kind();
        let mut body = json!({
            "type": format!("urn:socklet:problem:{kind}"),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        if let Self::Reload(error) = &self {
            body["problems"] = error.problems().into();
        }
        let mut answer = Response::new(full(format!("{body}\n")));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let field = match self {
            Self::NoToken | Self::UnknownCertificate => {
                Some((header::WWW_AUTHENTICATE, "Bearer realm=\"socklet\"".to_owned()))
            }
            Self::WrongToken => {
                Some((header::WWW_AUTHENTICATE, "Bearer realm=\"socklet\", error=\"invalid_token\"".to_owned()))
            }
            Self::Method(allowed) => Some((header::ALLOW, allowed)),
            Self::TooManyFailures(seconds) => Some((header::RETRY_AFTER, seconds.to_string())),
            Self::TooManyReaders | Self::Send(SendError::Full) => Some((header::RETRY_AFTER, "1".to_owned())),
            _ => None,
        };
        if let Some((name, value)) = field
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            headers.insert(name, value);
        }
        answer
    }
}

impl From<NotLetIn> for Problem {
    fn from(why: NotLetIn) -> Self {
        match why {
            NotLetIn::NoToken => Self::NoToken,
            NotLetIn::WrongToken => Self::WrongToken,
            NotLetIn::UnknownCertificate => Self::UnknownCertificate,
        }
    }
}
