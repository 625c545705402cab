//! Messages and control frames to bytes: never masked, RFC 6455 section 5.1.

use bytes::{BufMut, Bytes, BytesMut};
use socklet_core::{CloseCode, CloseFrame, MessageRef, Opcode};

/// A frame as it goes on the wire. Cheap to clone: one encoding serves every receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedFrame {
    header: FrameHeader,
    payload: Bytes,
}

/// A frame's header as it goes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    bytes: [u8; 10],
    len: u8,
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
        Self { header: FrameHeader::new(opcode, fin, payload.len()), payload }
    }

    /// The header as it goes on the wire.
    pub(crate) fn header(&self) -> &[u8] {
        self.header.as_bytes()
    }

    /// The payload, which follows the header on the wire as it is.
    pub(crate) fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The size on the wire in bytes.
    pub(crate) fn len(&self) -> usize {
        self.header().len() + self.payload.len()
    }

    /// The opcode of the whole message that this is, if it is one.
    pub(crate) fn whole_message(&self) -> Option<Opcode> {
        match self.header.bytes[0] {
            0x81 => Some(Opcode::Text),
            0x82 => Some(Opcode::Binary),
            _ => None,
        }
    }
}

// === impl FrameHeader ===

impl FrameHeader {
    /// The header of a frame whose payload has so many bytes, in as few bytes as they allow.
    pub(crate) fn new(opcode: Opcode, fin: bool, payload: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = bits(opcode) | if fin { 0x80 } else { 0 };
        let len = match payload {
            0..=125 => {
                bytes[1] = payload as u8; // at most 125
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload as u16).to_be_bytes()); // at most 0xffff
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }

    /// The same for a compressed message, RFC 7692 section 6.
    pub(crate) fn compressed(mut self) -> Self {
        self.bytes[0] |= 0x40;
        self
    }

    /// The header as it goes on the wire.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
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
