//! HTTP requests (`wasi:http`), for plugins that are granted their origins: `http = ["https://HOST"]` in `[plugin.NAME.grants]`.
//!
//! ```no_run
//! use socklet_sdk::http::Request;
//!
//! let response = Request::get("https://auth.example/keys").header("accept", "application/json").send()?;
//! assert_eq!(response.status, 200);
//! # Ok::<_, socklet_sdk::http::HttpError>(())
//! ```
//!
//! A redirect is a response like others: nobody follows it.

use std::{error, fmt, time::Duration};
use wasip2::{
    http::{
        outgoing_handler,
        types::{ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme},
    },
    io::streams::StreamError,
};

/// What is read of a response where nothing else is said.
const BODY_MAX: usize = 1 << 20;
/// What a stream takes and gives at a time.
const CHUNK: usize = 4 << 10;

/// A request that is not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    body_max: usize,
}

/// A response, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its fields; names are in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The plugin is not granted the origin, or the address behind it.
    Denied,
    /// The tenant makes too many requests.
    Busy,
    /// It took too long.
    Timeout,
    /// The response is larger than it may be.
    TooLarge,
    /// The request cannot be sent as it is.
    Invalid(&'static str),
    /// Anything else.
    Failed(String),
}

// === impl Request ===

impl Request {
    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url.into())
    }

    /// A `POST` with a body.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new(Method::Post, url.into()) }
    }

    fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new(), timeout: None, body_max: BODY_MAX }
    }

    /// With one more field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The longest that the connection, the beginning of the response, and each pause in it may take. The host has limits of its own.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest body of a response, in bytes: 1 MiB where nothing is said.
    #[must_use]
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// Sends it and waits for the whole response. Other connections go on meanwhile; other calls of this instance do not.
    ///
    /// # Errors
    ///
    /// See [`HttpError`]. A status such as 404 is none.
    pub fn send(self) -> Result<Response, HttpError> {
        let (scheme, authority, path) = parts(&self.url)?;
        let headers: Vec<_> =
            self.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_bytes())).collect();
        let fields = Fields::from_list(&headers).map_err(|_| HttpError::Invalid("a header field"))?;
        if !self.body.is_empty() {
            let length = self.body.len().to_string().into_bytes();
            fields.set("content-length", &[length]).map_err(|_| HttpError::Invalid("a header field"))?;
        }
        let request = OutgoingRequest::new(fields);
        let set = request
            .set_method(&self.method)
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(Some(&path)));
        set.map_err(|()| HttpError::Invalid("the URL"))?;
        let body = request.body().map_err(|()| HttpError::Invalid("the body"))?;
        let options = RequestOptions::new();
        if let Some(timeout) = self.timeout {
            let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            // A host that has no such limit has others.
            let _ = options.set_connect_timeout(Some(nanos));
            let _ = options.set_first_byte_timeout(Some(nanos));
            let _ = options.set_between_bytes_timeout(Some(nanos));
        }
        let coming = outgoing_handler::handle(request, Some(options))?;
        let written = write(body, &self.body);
        coming.subscribe().block();
        let response = match coming.get() {
            Some(Ok(response)) => response?,
            _ => return Err(HttpError::Failed("no response".to_owned())),
        };
        // Where there is a response it says more than that the rest of the request was not wanted.
        drop(written);
        let headers = response.headers().entries();
        let body = response.consume().map_err(|()| HttpError::Failed("no body".to_owned()))?;
        let body = read(&body, self.body_max)?;
        Ok(Response { status: response.status(), headers, body })
    }
}

// === impl Response ===

impl Response {
    /// The first field of that name, in lower case, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Scheme, authority, and path with query.
fn parts(url: &str) -> Result<(Scheme, &str, String), HttpError> {
    let (scheme, rest) = url.split_once("://").ok_or(HttpError::Invalid("the URL"))?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(HttpError::Invalid("the URL")),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((scheme, authority, format!("{slash}{path}")))
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), HttpError> {
    let failed = |_| HttpError::Failed("the request was not taken".to_owned());
    {
        let stream = body.write().map_err(|()| HttpError::Invalid("the body"))?;
        for chunk in bytes.chunks(CHUNK) {
            stream.blocking_write_and_flush(chunk).map_err(failed)?;
        }
    }
    OutgoingBody::finish(body, None).map_err(HttpError::from)
}

fn read(body: &IncomingBody, max: usize) -> Result<Vec<u8>, HttpError> {
    let stream = body.stream().map_err(|()| HttpError::Failed("no body".to_owned()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(chunk) if bytes.len() + chunk.len() > max => {
                drop(chunk);
                return Err(HttpError::TooLarge);
            }
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                let broken = || HttpError::Failed(format!("the response broke off: {}", error.to_debug_string()));
                return Err(code.map_or_else(broken, Into::into));
            }
        }
    }
}

// === impl HttpError ===

impl From<ErrorCode> for HttpError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Self::Denied,
            ErrorCode::ConnectionLimitReached => Self::Busy,
            ErrorCode::ConnectionTimeout | ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionReadTimeout => {
                Self::Timeout
            }
            ErrorCode::HttpResponseBodySize(_) => Self::TooLarge,
            ErrorCode::HttpRequestBodySize(_) => Self::Invalid("the body, which is too large"),
            other => Self::Failed(format!("{other:?}")),
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the origin is not granted: see [plugin.NAME.grants]"),
            Self::Busy => f.write_str("the tenant makes too many HTTP requests"),
            Self::Timeout => f.write_str("no response in time"),
            Self::TooLarge => f.write_str("the response is too large"),
            Self::Invalid(what) => write!(f, "{what} cannot be sent"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, authority, path) in [
            ("https://a.example", "a.example", "/"),
            ("http://a.example:81/x?y#z", "a.example:81", "/x?y"),
            ("https://[::1]:81?x", "[::1]:81", "/?x"),
        ] {
            let (_, found, rest) = parts(url).unwrap();
            assert_eq!((found, rest.as_str()), (authority, path));
        }
        for url in ["", "a.example", "ftp://a.example"] {
            assert!(parts(url).is_err());
        }
    }
}
