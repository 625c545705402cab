//! Bytes as they are on the wire: requests and frames (RFC 6455, section 5.2), also those that no library would send.

use crate::{Answer, Stream, connect, http1, within};
use bytes::{Buf, BytesMut};
use socklet_server::Bind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A connection without a library.
#[derive(Debug)]
pub struct Wire {
    stream: Box<dyn Stream>,
    /// Read, and not yet looked at.
    rest: BytesMut,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: the last-frame bit, the reserved bits and the opcode.
    pub first: u8,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

/// A client must mask; with which key does not matter.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

impl Wire {
    /// Connects to a listener.
    pub async fn connect(to: &Bind) -> Self {
        Self::new(connect(to).await)
    }

    /// A connection that is there already.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, rest: BytesMut::new() }
    }

    /// Sends the head of a request, with whatever stands behind it, and reads the answer.
    pub async fn request(&mut self, head: &str) -> Answer {
        self.write(head.as_bytes()).await;
        self.answer().await
    }

    /// Reads the answer to a request.
    pub async fn answer(&mut self) -> Answer {
        within("an answer", http1::answer(&mut *self.stream, &mut self.rest)).await
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        within("writing", self.stream.write_all(bytes)).await.expect("the connection takes bytes");
    }

    /// As [`Wire::write`], to a server that may hang up meanwhile. Whether it took all of it.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        within("writing", self.stream.write_all(bytes)).await.is_ok()
    }

    /// Writes a masked frame; `first` is its first byte.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&Frame { first, payload: payload.to_vec() }.masked()).await;
    }

    /// As [`Wire::frame`], to a server that may have hung up. Whether it took the frame.
    pub async fn try_frame(&mut self, first: u8, payload: &[u8]) -> bool {
        let bytes = Frame { first, payload: payload.to_vec() }.masked();
        within("writing", self.stream.write_all(&bytes)).await.is_ok()
    }

    /// The next frame; none when the server hung up.
    pub async fn next(&mut self) -> Option<Frame> {
        within("a frame", async {
            loop {
                if let Some(frame) = self.take() {
                    return Some(frame);
                }
                // A reset is an end, too.
                if self.stream.read_buf(&mut self.rest).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        })
        .await
    }

    /// The next byte, whatever it means; none when the server hung up.
    pub async fn next_byte(&mut self) -> Option<u8> {
        within("a byte", self.stream.read_u8()).await.ok()
    }

    /// Reads until the server hangs up.
    pub async fn ends(&mut self) {
        within("the end of a socket", async {
            while self.stream.read_buf(&mut self.rest).await.unwrap_or(0) > 0 {
                self.rest.clear();
            }
        })
        .await;
    }

    /// The next frame is a close frame with this code; returns its reason.
    pub async fn expect_close(&mut self, code: u16) -> String {
        let frame = self.next().await.expect("a close frame before the end");
        assert_eq!(frame.first, 0x88, "a close frame: {frame:?}");
        let (number, reason) = frame.payload.split_at(2);
        assert_eq!(u16::from_be_bytes([number[0], number[1]]), code, "{frame:?}");
        String::from_utf8(reason.to_vec()).expect("a reason is UTF-8")
    }

    /// Takes a whole frame out of what was read.
    fn take(&mut self) -> Option<Frame> {
        let (&first, &second) = (self.rest.first()?, self.rest.get(1)?);
        assert_eq!(second & 0x80, 0, "a server never masks");
        let (head, length) = match second {
            126 => (4, u64::from(u16::from_be_bytes(self.rest.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(self.rest.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        let length = usize::try_from(length).expect("no test sends as much");
        if self.rest.len() < head + length {
            return None;
        }
        self.rest.advance(head);
        Some(Frame { first, payload: self.rest.split_to(length).to_vec() })
    }
}

impl Frame {
    /// The frame as a client writes it.
    pub fn masked(&self) -> Vec<u8> {
        let mut bytes = vec![self.first];
        match self.payload.len() {
            short @ 0..126 => bytes.push(0x80 | short as u8),
            middle @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend((middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}
