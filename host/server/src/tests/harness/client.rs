//! A client made of bytes: what it sends is what the test says, what it gets is told as it is.

use super::SECOND;
use std::fmt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// The mask of every frame: any will do, and this one is easy to spot.
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// Longer than any test waits for anything that comes.
const LONG: std::time::Duration = SECOND.saturating_mul(5000);

/// A client over any stream.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

/// The head of an HTTP response, and its body where it has a length.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A frame from the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) fin: bool,
    pub(crate) payload: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// A proper opening handshake for a path, with further fields.
    pub(crate) fn handshake(path: &str, fields: &[(&str, &str)]) -> String {
        let mut head = format!("GET {path} HTTP/1.1\r\n");
        for (name, value) in [
            ("Host", "example.test"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            if fields.iter().all(|(other, _)| !other.eq_ignore_ascii_case(name)) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        for (name, value) in fields.iter().filter(|(_, value)| *value != "-") {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Asks for a WebSocket and gets one.
    pub(crate) async fn upgrade(mut self, path: &str, fields: &[(&str, &str)]) -> Self {
        self.write(Self::handshake(path, fields).as_bytes()).await;
        let head = self.head().await;
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        self
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Asks for something and gets the answer.
    pub(crate) async fn ask(&mut self, request: &str) -> Head {
        self.write(request.as_bytes()).await;
        self.head().await
    }

    /// The next response.
    pub(crate) async fn head(&mut self) -> Head {
        let end = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.more().await, "ended: {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let fields = lines.map(field).collect();
        let mut head = Head { status, fields, body: String::new() };
        let length = head.field("content-length").map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            assert!(self.more().await, "the body ended early");
        }
        head.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        head
    }

    /// Sends one frame.
    pub(crate) async fn frame(&mut self, opcode: u8, fin: bool, payload: &[u8]) {
        self.write(&encode(opcode, fin, payload)).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.frame(1, true, text.as_bytes()).await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.frame(8, true, &payload).await;
    }

    /// The next frame; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decode() {
                return Some(frame);
            }
            if !self.more().await {
                assert!(self.buffer.is_empty(), "ended inside a frame: {:?}", self.buffer);
                return None;
            }
        }
    }

    /// The next text message in one frame.
    pub(crate) async fn next_text(&mut self) -> String {
        let frame = self.next().await.expect("a frame");
        assert!(frame.opcode == 1 && frame.fin, "{frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    /// A close frame comes next: its code and reason, 0 for none.
    pub(crate) async fn next_close(&mut self) -> (u16, String) {
        let frame = self.next().await.expect("a close frame");
        assert!(frame.opcode == 8 && frame.fin, "{frame:?}");
        frame.close()
    }

    /// A close frame comes next, is answered, and then the stream ends.
    pub(crate) async fn is_closed(&mut self) -> (u16, String) {
        let (code, reason) = self.next_close().await;
        self.close(code, &reason).await;
        self.ends().await;
        (code, reason)
    }

    /// The stream ends here.
    pub(crate) async fn ends(&mut self) {
        assert_eq!(self.next().await, None);
    }

    fn decode(&mut self) -> Option<Frame> {
        let &[first, second, ..] = &self.buffer[..] else { return None };
        assert!(first & 0x70 == 0 && second & 0x80 == 0, "{:?}", self.buffer);
        let (start, len) = match second {
            127 => (10, u64::from_be_bytes(self.buffer.get(2..10)?.try_into().unwrap()) as usize),
            126 => (4, u16::from_be_bytes(self.buffer.get(2..4)?.try_into().unwrap()).into()),
            len => (2, len.into()),
        };
        let payload = self.buffer.get(start..start + len)?.to_vec();
        self.buffer.drain(..start + len);
        Some(Frame { opcode: first & 0xf, fin: first & 0x80 != 0, payload })
    }

    /// Reads on. Whether there was more.
    async fn more(&mut self) -> bool {
        let read = timeout(LONG, self.stream.read_buf(&mut self.buffer)).await;
        matches!(read.expect("the server says something in the end"), Ok(1..))
    }
}

/// A frame as a client sends it.
pub(crate) fn encode(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

// === impl Head ===

impl Head {
    /// The only field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        value
    }
}

// === impl Frame ===

impl Frame {
    fn close(&self) -> (u16, String) {
        match &self.payload[..] {
            [] => (0, String::new()),
            [high, low, reason @ ..] => {
                (u16::from_be_bytes([*high, *low]), String::from_utf8(reason.to_vec()).unwrap())
            }
            payload => panic!("{payload:?} is no close frame's payload"),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = String::from_utf8_lossy(&self.payload[..self.payload.len().min(40)]);
        write!(f, "{:x}/{} {} bytes {payload:?}", self.opcode, self.fin, self.payload.len())
    }
}
