//! The least of HTTP/1.1 that shows a server's answer as it is on the wire.

use crate::Stream;
use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::AsyncReadExt;

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header field's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("the tests use text only"))
    }
}

/// Reads one answer with its body. What came behind that stays in `rest`.
pub(crate) async fn answer(stream: &mut dyn Stream, rest: &mut BytesMut) -> Answer {
    let end = loop {
        if let Some(at) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let read = stream.read_buf(rest).await.expect("an answer can be read");
        assert!(read > 0, "the server hung up without an answer, after {:?}", rest);
    };
    let head = String::from_utf8(rest[..end].to_vec()).expect("heads are text");
    rest.advance(end + 4);
    let mut lines = head.split("\r\n");
    let status = lines.next().filter(|line| line.starts_with("HTTP/1.")).expect("an answer of HTTP/1");
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header field has a colon");
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a header field has a name"),
            HeaderValue::from_str(value.trim()).expect("a header field has a value"),
        );
    }
    assert!(!headers.contains_key("transfer-encoding"), "no answer of the server is chunked: {head}");
    let length = headers.get("content-length").map(|length| length.to_str().ok()?.parse().ok());
    let length: usize = length.map_or(0, |length| length.expect("a length is a number"));
    while rest.len() < length {
        let read = stream.read_buf(rest).await.expect("a body can be read");
        assert!(read > 0, "the server hung up within a body");
    }
    let body = String::from_utf8_lossy(&rest.split_to(length)).into_owned();
    Answer { status, headers, body }
}
