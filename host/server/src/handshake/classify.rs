//! Whether a request asks for a WebSocket, and whether it asks properly: RFC 6455 section 4.2.1.

use super::{
    authority::authority,
    deflate::{Offer, offers},
    extensions::extensions,
    fields::{elements, has_element, token},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use hyper::ext::Protocol;
use socklet_core::Refusal;
use std::collections::HashSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A WebSocket, properly.
    WebSocket(Handshake),
    /// Something else: no field `Upgrade: websocket`.
    Plain,
}

/// What the answer to a proper opening handshake needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// The value of `Sec-WebSocket-Accept`; none over HTTP/2, which has none.
    pub(crate) accept: Option<String>,
    /// The subprotocols that the client offers, most wanted first, each once.
    pub(crate) offered: Vec<String>,
    /// How the client would compress, most wanted first.
    pub(crate) deflate: Vec<Offer>,
}

/// Judges a request by its head.
///
/// # Errors
///
/// The refusal to answer with, where it asks for a WebSocket but not properly, or names its host improperly.
pub(crate) fn classify(parts: &Parts) -> Result<Kind, Refusal> {
    let headers = &parts.headers;
    authority(parts)?;
    if let Some(protocol) = parts.extensions.get::<Protocol>() {
        // RFC 8441, section 5. That it is a CONNECT over HTTP/2 was checked by whoever has put it there.
        return match protocol.as_str() {
            "websocket" => websocket(headers, None),
            _ => Err(Refusal::BadHandshake("the :protocol is not websocket")),
        };
    }
    if !has_element(headers, UPGRADE, "websocket") {
        return Ok(Kind::Plain);
    }
    if parts.method != Method::GET {
        return Err(Refusal::MethodNotAllowed);
    }
    if parts.version != Version::HTTP_11 {
        return Err(Refusal::BadHandshake("a WebSocket handshake needs HTTP/1.1"));
    }
    if !has_element(headers, CONNECTION, "upgrade") {
        return Err(Refusal::BadHandshake("the Connection field does not say upgrade"));
    }
    if has_body(headers) {
        return Err(Refusal::BadHandshake("a WebSocket handshake has no body"));
    }
    version(headers)?;
    let key = match sole(headers, SEC_WEBSOCKET_KEY) {
        Ok(Some(key)) => key.as_bytes(),
        Ok(None) => return Err(Refusal::BadHandshake("the Sec-WebSocket-Key field is missing")),
        Err(()) => return Err(Refusal::BadHandshake("the Sec-WebSocket-Key field is there more than once")),
    };
    if !is_key(key) {
        return Err(Refusal::BadHandshake("the Sec-WebSocket-Key field is not 16 bytes in base64"));
    }
    websocket(headers, Some(derive_accept_key(key)))
}

fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    match sole(headers, SEC_WEBSOCKET_VERSION) {
        Ok(Some(version)) if version == "13" => Ok(()),
        _ => Err(Refusal::BadVersion),
    }
}

/// What both versions of HTTP have in common.
fn websocket(headers: &HeaderMap, accept: Option<String>) -> Result<Kind, Refusal> {
    version(headers)?;
    let malformed = |_| Refusal::BadHandshake("the Sec-WebSocket-Extensions field is not a list of extensions");
    let deflate = offers(&extensions(headers).map_err(malformed)?);
    Ok(Kind::WebSocket(Handshake { accept, offered: offered(headers)?, deflate }))
}

/// The only field of that name; an error when there are several.
fn sole(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(()) } else { Ok(value) }
}

fn has_body(headers: &HeaderMap) -> bool {
    let empty = |length: &HeaderValue| length.as_bytes().iter().all(|byte| *byte == b'0');
    headers.contains_key(TRANSFER_ENCODING) || !headers.get_all(CONTENT_LENGTH).iter().all(empty)
}

/// Whether it is base64 of 16 bytes: 22 digits, the last with four bits to spare, and two paddings.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(digit))
}

fn offered(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let mut seen = HashSet::new();
    let mut offered = Vec::new();
    for element in elements(headers, SEC_WEBSOCKET_PROTOCOL) {
        let name = token(element).ok_or(Refusal::BadHandshake("a subprotocol is not a token"))?;
        if !seen.insert(name) {
            return Err(Refusal::BadHandshake("a subprotocol is offered twice"));
        }
        offered.push(name.to_owned());
    }
    if offered.is_empty() && headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Err(Refusal::BadHandshake("the Sec-WebSocket-Protocol field is empty"));
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// The example of section 1.2 with other fields: those named in `fields` replace its own; without a value they take
    /// it out.
    fn request(method: Method, version: Version, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).version(version).uri("/chat");
        for (name, value) in [
            ("host", "server.example.com"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-version", "13"),
        ] {
            if fields.iter().all(|(other, _)| *other != name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in fields.iter().filter(|(_, value)| *value != "-") {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn get(fields: &[(&str, &str)]) -> Result<Kind, Refusal> {
        classify(&request(Method::GET, Version::HTTP_11, fields))
    }

    #[test]
    fn extended_connects() {
        let ask = |protocol: &'static str, fields: &[(&str, &str)]| {
            let mut request =
                Request::builder().method(Method::CONNECT).version(Version::HTTP_2).uri("https://a.example/");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            parts.extensions.insert(Protocol::from_static(protocol));
            classify(&parts)
        };
        let version = ("sec-websocket-version", "13");
        let handshake = Handshake { accept: None, offered: vec!["chat".to_owned()], deflate: Vec::new() };
        assert_eq!(ask("websocket", &[version, ("sec-websocket-protocol", "chat")]), Ok(Kind::WebSocket(handshake)));
        assert_eq!(ask("websocket", &[]), Err(Refusal::BadVersion));
        assert_eq!(ask("websocket", &[("sec-websocket-version", "8")]), Err(Refusal::BadVersion));
        assert_eq!(ask("connect-udp", &[version]), Err(Refusal::BadHandshake("the :protocol is not websocket")));
    }

    #[test]
    fn proper_handshakes() {
        for (fields, offered) in [
            (&[][..], &[][..]),
            (&[("upgrade", "WebSocket")], &[]),
            (&[("upgrade", "h2c, websocket")], &[]),
            (&[("upgrade", "h2c"), ("upgrade", "WEBSOCKET")], &[]),
            (&[("connection", "keep-alive, Upgrade")], &[]),
            (&[("connection", "keep-alive"), ("connection", " upgrade ,")], &[]),
            (&[("content-length", "0")], &[]),
            (&[("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")], &[]),
            (&[("sec-websocket-key", "+/AAAAAAAAAAAAAAAAAAAB==")], &[]),
            (&[("sec-websocket-extensions", "permessage-deflate")], &[]),
            (&[("sec-websocket-protocol", "chat")], &["chat"]),
            (&[("sec-websocket-protocol", "chat, superchat")], &["chat", "superchat"]),
            (&[("sec-websocket-protocol", "b,,a\t"), ("sec-websocket-protocol", "B")], &["b", "a", "B"]),
            (&[("sec-websocket-protocol", "v1.graphql+ws!#$%&'*^_`|~")], &["v1.graphql+ws!#$%&'*^_`|~"]),
        ] {
            let Kind::WebSocket(handshake) = get(fields).unwrap() else { panic!("{fields:?}") };
            assert_eq!(handshake.offered, offered, "{fields:?}");
        }
        let Ok(Kind::WebSocket(handshake)) = get(&[]) else { panic!() };
        assert_eq!(handshake.accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn plain_requests() {
        for fields in [
            &[("upgrade", "-")][..],
            &[("upgrade", "h2c")],
            &[("upgrade", "websocket2")],
            &[("upgrade", "websocket/13")],
            &[("upgrade", "-"), ("connection", "-"), ("content-length", "9")],
        ] {
            for method in [Method::GET, Method::HEAD, Method::POST] {
                assert_eq!(classify(&request(method, Version::HTTP_11, fields)), Ok(Kind::Plain), "{fields:?}");
            }
        }
        assert_eq!(
            classify(&request(Method::GET, Version::HTTP_10, &[("upgrade", "-"), ("host", "-")])),
            Ok(Kind::Plain)
        );
    }

    #[test]
    fn improper_handshakes() {
        let long = format!("{KEY}AAAA");
        for (fields, status, text) in [
            (&[("host", "-")][..], 400, "the Host field is missing"),
            (&[("host", "a"), ("host", "b")], 400, "the Host field is there more than once"),
            (&[("host", "a/b")], 400, "the Host field is not a host and port"),
            (&[("host", "-"), ("upgrade", "-")], 400, "the Host field is missing"),
            (&[("connection", "-")], 400, "the Connection field does not say upgrade"),
            (&[("connection", "keep-alive")], 400, "the Connection field does not say upgrade"),
            (&[("connection", "not upgrade")], 400, "the Connection field does not say upgrade"),
            (&[("content-length", "1")], 400, "a WebSocket handshake has no body"),
            (&[("content-length", "0"), ("content-length", "5")], 400, "a WebSocket handshake has no body"),
            (&[("transfer-encoding", "chunked")], 400, "a WebSocket handshake has no body"),
            (&[("sec-websocket-version", "-")], 426, ""),
            (&[("sec-websocket-version", "8")], 426, ""),
            (&[("sec-websocket-version", "013")], 426, ""),
            (&[("sec-websocket-version", "13, 8")], 426, ""),
            (&[("sec-websocket-version", "13"), ("sec-websocket-version", "13")], 426, ""),
            (&[("sec-websocket-version", "8"), ("sec-websocket-key", "-")], 426, ""),
            (&[("sec-websocket-key", "-")], 400, "the Sec-WebSocket-Key field is missing"),
            (
                &[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)],
                400,
                "the Sec-WebSocket-Key field is there more than once",
            ),
            (&[("sec-websocket-key", "")], 400, "the Sec-WebSocket-Key field is not 16 bytes in base64"),
            (&[("sec-websocket-key", &long)], 400, "the Sec-WebSocket-Key field is not 16 bytes in base64"),
            (&[("sec-websocket-key", &KEY[..22])], 400, "the Sec-WebSocket-Key field is not 16 bytes in base64"),
            (
                &[("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAAA=")],
                400,
                "the Sec-WebSocket-Key field is not 16 bytes in base64",
            ),
            (
                &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25j-_==")],
                400,
                "the Sec-WebSocket-Key field is not 16 bytes in base64",
            ),
            (&[("sec-websocket-protocol", "a b")], 400, "a subprotocol is not a token"),
            (&[("sec-websocket-protocol", "a;q=1")], 400, "a subprotocol is not a token"),
            (&[("sec-websocket-protocol", "ä")], 400, "a subprotocol is not a token"),
            (&[("sec-websocket-protocol", "a, b, a")], 400, "a subprotocol is offered twice"),
            (
                &[("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "a")],
                400,
                "a subprotocol is offered twice",
            ),
            (&[("sec-websocket-protocol", ",")], 400, "the Sec-WebSocket-Protocol field is empty"),
            (
                &[("sec-websocket-extensions", "permessage-deflate;")],
                400,
                "the Sec-WebSocket-Extensions field is not a list of extensions",
            ),
        ] {
            let refusal = get(fields).expect_err(&format!("{fields:?}"));
            assert_eq!(refusal.status().as_u16(), status, "{fields:?}");
            if status == 400 {
                assert_eq!(refusal.text(), text, "{fields:?}");
            }
        }
        for method in [Method::POST, Method::HEAD, Method::OPTIONS, Method::CONNECT] {
            assert_eq!(classify(&request(method, Version::HTTP_11, &[])), Err(Refusal::MethodNotAllowed));
        }
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2] {
            let refusal = Refusal::BadHandshake("a WebSocket handshake needs HTTP/1.1");
            assert_eq!(classify(&request(Method::GET, version, &[])), Err(refusal));
        }
    }
}
