//! Messages and control frames to bytes: never masked, RFC 6455 section 5.1.

use bytes::{BufMut, Bytes, BytesMut};
use socklet_core::{CloseCode, CloseFrame, MessageRef, Opcode};

/// A frame as it goes on the wire. Cheap to clone: one encoding serves every receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedFrame {
    header: [u8; 10],
    header_len: u8,
    payload: Bytes,
}

impl EncodedFrame {
    /// A complete message in one frame.
    pub(crate) fn message(message: MessageRef<'_>) -> Self {
        Self::frame(message.opcode(), true, Bytes::copy_from_slice(message.as_bytes()))
    }

    /// A close frame. 1005 and 1006 are never on the wire: for them it is an empty one (section 7.4.1).
    pub(crate) fn close(frame: &CloseFrame) -> Self {
        let payload = match frame.code() {
            CloseCode::NO_STATUS | CloseCode::ABNORMAL => Bytes::new(),
            code => {
                let mut payload = BytesMut::with_capacity(2 + frame.reason().len());
                payload.put_u16(code.get());
                payload.put_slice(frame.reason().as_bytes());
                payload.freeze()
            }
        };
        Self::frame(Opcode::Close, true, payload)
    }

    /// Any frame. [`OutboundFragments`](super::OutboundFragments) knows whether it is allowed.
    pub(crate) fn frame(opcode: Opcode, fin: bool, payload: Bytes) -> Self {
        let first = bits(opcode) | if fin { 0x80 } else { 0 };
        let mut header = [0; 10];
        header[0] = first;
        let header_len = match payload.len() {
            len @ 0..=125 => {
                header[1] = len as u8; // at most 125
                2
            }
            len @ 126..=0xffff => {
                header[1] = 126;
                header[2..4].copy_from_slice(&(len as u16).to_be_bytes()); // at most 0xffff
                4
            }
            len => {
                header[1] = 127;
                header[2..].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        Self { header, header_len, payload }
    }

    /// The header as it goes on the wire.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_len)]
    }

    /// The payload, which follows the header on the wire as it is.
    pub(crate) fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The size on the wire in bytes.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.header_len) + self.payload.len()
    }

    /// Appends the frame to `buf`.
    pub(crate) fn write(&self, buf: &mut BytesMut) {
        buf.reserve(self.len());
        buf.put_slice(self.header());
        buf.put_slice(&self.payload);
    }
}

/// The opcode's four bits on the wire.
fn bits(opcode: Opcode) -> u8 {
    match opcode {
        Opcode::Continuation => 0x0,
        Opcode::Text => 0x1,
        Opcode::Binary => 0x2,
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xa,
    }
}
