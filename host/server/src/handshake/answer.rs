//! Responses: the host's refusals, what plugins answer, and the 101.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CONNECTION, CONTENT_TYPE, InvalidHeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use socklet_core::{Field, Refusal};
use std::ops::RangeInclusive;

/// The statuses with which an authenticator may deny.
pub(crate) const DENIAL: RangeInclusive<u16> = 400..=599;

/// The statuses with which a behavior may answer instead of accepting.
pub(crate) const ANSWER: RangeInclusive<u16> = 200..=599;

/// The largest body in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The most header fields, and their size in bytes together.
const MAX_FIELDS: usize = 64;
const MAX_FIELD_BYTES: usize = 16 * 1024;

/// The fields that frame a message, belong to the connection or to the handshake: the host's own.
const HOST_FIELDS: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// What is wrong with a plugin's answer. For the log; the client sees a failure of the plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAnswer {
    /// The status is out of range.
    #[error("status {status} is not allowed here, use {} to {}", allowed.start(), allowed.end())]
    Status {
        /// What it is.
        status: u16,
        /// What it may be.
        allowed: RangeInclusive<u16>,
    },
    /// The body is over its limit.
    #[error("body has {0} bytes, at most {MAX_BODY} are allowed")]
    Body(usize),
    /// A body where HTTP has none.
    #[error("a response with status {0} has no body")]
    NoBody(u16),
    /// Too many fields.
    #[error("there are {0} header fields, at most {MAX_FIELDS} are allowed")]
    Fields(usize),
    /// The fields are over their limit.
    #[error("header fields have {0} bytes, at most {MAX_FIELD_BYTES} are allowed")]
    FieldBytes(usize),
    /// Not a name.
    #[error("{0:?} is not the name of a header field")]
    Name(String),
    /// Not a value. The value is not told: it may be a secret.
    #[error("the value of header field {0:?} has a control character")]
    Value(String),
    /// The field is the host's own.
    #[error("header field {0:?} is the host's own")]
    HostField(String),
}

/// The response of a refusal.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(refusal.text().into_owned() + "\n"));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match refusal.status() {
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        _ => {}
    }
    if let Some(after) = refusal.retry_after() {
        // Whole seconds, rounded up: nobody should come back too early.
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// A plugin's response, checked.
///
/// # Errors
///
/// When it is not one that a plugin may give: see [`InvalidAnswer`].
pub(crate) fn answer(
    response: &socklet_core::Response,
    allowed: RangeInclusive<u16>,
) -> Result<Response<Bytes>, InvalidAnswer> {
    let invalid = || InvalidAnswer::Status { status: response.status, allowed: allowed.clone() };
    let status = StatusCode::from_u16(response.status).ok().filter(|_| allowed.contains(&response.status));
    let status = status.ok_or_else(invalid)?;
    if response.body.len() > MAX_BODY {
        return Err(InvalidAnswer::Body(response.body.len()));
    }
    if matches!(response.status, 204 | 205 | 304) && !response.body.is_empty() {
        return Err(InvalidAnswer::NoBody(response.status));
    }
    let mut checked = Response::new(response.body.clone());
    *checked.status_mut() = status;
    *checked.headers_mut() = fields(&response.headers)?;
    Ok(checked)
}

/// The 101 response, RFC 6455 section 4.2.2, or without a value for `Sec-WebSocket-Accept` the 200 of RFC 8441, section 5, with the subprotocol and the extensions that were chosen and a plugin's fields,
/// checked.
///
/// # Errors
///
/// When a field is not one that a plugin may give: see [`InvalidAnswer`].
pub(crate) fn switch_protocols(
    accept: Option<&str>,
    subprotocol: Option<&str>,
    extensions: Option<&str>,
    extra: &[Field],
) -> Result<Response<Bytes>, InvalidAnswer> {
    let mut response = Response::new(Bytes::new());
    let mut headers = fields(extra)?;
    if accept.is_some() {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    for (name, value) in
        [(SEC_WEBSOCKET_ACCEPT, accept), (SEC_WEBSOCKET_PROTOCOL, subprotocol), (SEC_WEBSOCKET_EXTENSIONS, extensions)]
    {
        if let Some(value) = value {
            let invalid = |_: InvalidHeaderValue| InvalidAnswer::Value(name.as_str().to_owned());
            let value = HeaderValue::from_str(value).map_err(invalid)?;
            headers.insert(name, value);
        }
    }
    *response.headers_mut() = headers;
    Ok(response)
}

/// A plugin's fields, checked; order and duplicates are kept.
fn fields(fields: &[Field]) -> Result<HeaderMap, InvalidAnswer> {
    if fields.len() > MAX_FIELDS {
        return Err(InvalidAnswer::Fields(fields.len()));
    }
    let size = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
    if size > MAX_FIELD_BYTES {
        return Err(InvalidAnswer::FieldBytes(size));
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for Field { name, value } in fields {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidAnswer::Name(name.clone()))?;
        if HOST_FIELDS.contains(&parsed.as_str()) || parsed.as_str().starts_with("sec-websocket-") {
            return Err(InvalidAnswer::HostField(name.clone()));
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| InvalidAnswer::Value(name.clone()))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_core::EventId;
    use std::time::Duration;

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.into(), value: value.into() }
    }

    fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn refusals() {
        let soon = |millis| Duration::from_millis(millis);
        let event = EventId::next();
        let failed = format!("server error, event {event}\n");
        for (refusal, status, body, fields) in [
            (Refusal::BadHandshake("no key"), 400, "no key\n", &[][..]),
            (
                Refusal::BadVersion,
                426,
                "this server speaks WebSocket version 13\n",
                &[("sec-websocket-version", "13"), ("upgrade", "websocket"), ("connection", "upgrade")],
            ),
            (
                Refusal::UpgradeRequired,
                426,
                "this path serves WebSocket connections\n",
                &[("sec-websocket-version", "13"), ("upgrade", "websocket"), ("connection", "upgrade")],
            ),
            (Refusal::MethodNotAllowed, 405, "use GET\n", &[("allow", "GET")]),
            (Refusal::Unauthenticated, 401, "authentication required\n", &[]),
            (Refusal::OriginNotAllowed, 403, "origin not allowed\n", &[]),
            (Refusal::NotFound, 404, "nothing here\n", &[]),
            (
                Refusal::TooManyRequests { retry_after: soon(1001) },
                429,
                "too many connections, try again later\n",
                &[("retry-after", "2")],
            ),
            (Refusal::PluginFailed(event), 500, &failed, &[]),
            (
                Refusal::Unavailable { retry_after: soon(0) },
                503,
                "not available, try again later\n",
                &[("retry-after", "1")],
            ),
        ] {
            let response = refuse(&refusal);
            assert_eq!((response.status().as_u16(), &response.body()[..]), (status, body.as_bytes()), "{refusal:?}");
            assert_eq!(header(&response, "content-type"), Some("text/plain; charset=utf-8"));
            for (name, value) in fields {
                assert_eq!(header(&response, name), Some(*value), "{refusal:?} {name}");
            }
            assert_eq!(response.headers().len(), 1 + fields.len(), "{refusal:?}");
        }
    }

    #[test]
    fn answers_of_plugins() {
        let response = socklet_core::Response {
            status: 401,
            headers: vec![
                field("www-authenticate", "Basic realm=\"é\""),
                field("set-cookie", "a=1"),
                field("set-cookie", "b=2"),
                field("X-Mixed", ""),
            ],
            body: Bytes::from_static(b"who are you?"),
        };
        let checked = answer(&response, DENIAL).unwrap();
        assert_eq!((checked.status().as_u16(), &checked.body()[..]), (401, &b"who are you?"[..]));
        assert_eq!(checked.headers().get("www-authenticate").unwrap().as_bytes(), "Basic realm=\"é\"".as_bytes());
        let cookies: Vec<_> = checked.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(header(&checked, "x-mixed"), Some(""));
        for (status, body) in [(200, vec![0; MAX_BODY]), (204, vec![]), (304, vec![]), (599, vec![])] {
            assert!(answer(&socklet_core::Response { status, headers: vec![], body: body.into() }, ANSWER).is_ok());
        }
    }

    #[test]
    fn invalid_answers() {
        use InvalidAnswer as E;
        let big = "v".repeat(MAX_FIELD_BYTES);
        for (status, headers, body, expected) in [
            (399, vec![], 0, E::Status { status: 399, allowed: DENIAL }),
            (600, vec![], 0, E::Status { status: 600, allowed: DENIAL }),
            (0, vec![], 0, E::Status { status: 0, allowed: DENIAL }),
            (65535, vec![], 0, E::Status { status: 65535, allowed: DENIAL }),
            (403, vec![], MAX_BODY + 1, E::Body(MAX_BODY + 1)),
            (403, vec![field("a", ""); MAX_FIELDS + 1], 0, E::Fields(MAX_FIELDS + 1)),
            (403, vec![field("a", &big)], 0, E::FieldBytes(MAX_FIELD_BYTES + 1)),
            (403, vec![field("", "v")], 0, E::Name(String::new())),
            (403, vec![field("a b", "v")], 0, E::Name("a b".into())),
            (403, vec![field("a:", "v")], 0, E::Name("a:".into())),
            (403, vec![field("ä", "v")], 0, E::Name("ä".into())),
            (403, vec![field("a", "v\r\nb: c")], 0, E::Value("a".into())),
            (403, vec![field("a", "v\0")], 0, E::Value("a".into())),
            (403, vec![field("a", "\u{7f}")], 0, E::Value("a".into())),
            (403, vec![field("ok", "v"), field("Content-Length", "0")], 0, E::HostField("Content-Length".into())),
            (403, vec![field("transfer-encoding", "chunked")], 0, E::HostField("transfer-encoding".into())),
            (403, vec![field("connection", "close")], 0, E::HostField("connection".into())),
            (403, vec![field("upgrade", "h2c")], 0, E::HostField("upgrade".into())),
            (403, vec![field("keep-alive", "")], 0, E::HostField("keep-alive".into())),
            (403, vec![field("te", "")], 0, E::HostField("te".into())),
            (403, vec![field("trailer", "")], 0, E::HostField("trailer".into())),
            (403, vec![field("sec-websocket-accept", "x")], 0, E::HostField("sec-websocket-accept".into())),
            (403, vec![field("Sec-WebSocket-Future", "x")], 0, E::HostField("Sec-WebSocket-Future".into())),
        ] {
            let response = socklet_core::Response { status, headers, body: vec![b'x'; body].into() };
            assert_eq!(answer(&response, DENIAL).unwrap_err(), expected);
        }
        for status in [101, 199] {
            let response = socklet_core::Response { status, headers: vec![], body: Bytes::new() };
            assert_eq!(answer(&response, ANSWER).unwrap_err(), E::Status { status, allowed: ANSWER });
        }
        for status in [204, 205, 304] {
            let response = socklet_core::Response { status, headers: vec![], body: Bytes::from_static(b"x") };
            assert_eq!(answer(&response, ANSWER).unwrap_err(), E::NoBody(status));
        }
        let told = E::Status { status: 99, allowed: DENIAL }.to_string();
        assert_eq!(told, "status 99 is not allowed here, use 400 to 599");
    }

    #[test]
    fn the_101() {
        let extra = [field("x-room", "7"), field("set-cookie", "a"), field("set-cookie", "b")];
        let response =
            switch_protocols(Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Some("chat"), Some("permessage-deflate"), &extra)
                .unwrap();
        assert_eq!(response.status(), 101);
        assert!(response.body().is_empty());
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("x-room", "7"),
        ] {
            assert_eq!(header(&response, name), Some(value));
        }
        assert_eq!(response.headers().len(), 8);

        let response = switch_protocols(Some("a"), None, None, &[]).unwrap();
        assert_eq!(response.headers().len(), 3);
        assert_eq!(header(&response, "sec-websocket-protocol"), None);

        for name in ["sec-websocket-protocol", "sec-websocket-extensions", "upgrade", "content-length"] {
            let invalid = InvalidAnswer::HostField(name.into());
            assert_eq!(switch_protocols(Some("a"), None, None, &[field(name, "x")]).unwrap_err(), invalid);
        }
    }
}
