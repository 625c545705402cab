//! Reads frame headers as they arrive, RFC 6455 section 5.2.

use super::FramingError;
use bytes::{Buf, BytesMut};
use socklet_core::Opcode;

/// A header that keeps the rules that need no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// The payload is the beginning of a compressed message (RFC 7692, section 6).
    pub(super) rsv1: bool,
    pub(super) opcode: Opcode,
    pub(super) len: u64,
    pub(super) mask: [u8; 4],
}

/// The header that is arriving.
#[derive(Debug, Default)]
pub(super) struct HeaderReader {
    bytes: [u8; 14],
    have: u8,
}

impl HeaderReader {
    /// Takes bytes off `buf` until the header is complete; none when there are too few yet.
    ///
    /// The first two bytes are judged as soon as they are there, the length once it is complete: always the same rule
    /// fails, however the bytes were cut. `compression` is whether it was agreed on.
    pub(super) fn read(&mut self, buf: &mut BytesMut, compression: bool) -> Result<Option<Header>, FramingError> {
        if self.have < 2 {
            if !self.fill(2, buf) {
                return Ok(None);
            }
            self.judge(compression)?;
        }
        let (extended, size) = match self.bytes[1] & 0x7f {
            126 => (2, 8),
            127 => (8, 14),
            _ => (0, 6),
        };
        if !self.fill(size, buf) {
            return Ok(None);
        }
        let length = self.bytes[2..2 + extended].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let len = match extended {
            0 => u64::from(self.bytes[1] & 0x7f),
            2 if length < 126 => return Err(FramingError::LengthNotMinimal),
            8 if length < 1 << 16 => return Err(FramingError::LengthNotMinimal),
            8 if length >= 1 << 63 => return Err(FramingError::LengthOutOfRange),
            _ => length,
        };
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[2 + extended..6 + extended]);
        self.have = 0;
        Ok(Some(Header {
            fin: self.bytes[0] & 0x80 != 0,
            rsv1: self.bytes[0] & 0x40 != 0,
            opcode: opcode(self.bytes[0]).ok_or(FramingError::ReservedOpcode)?,
            len,
            mask,
        }))
    }

    /// Whether no part of a header is here.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Whether there are `size` bytes, after taking what `buf` has of them.
    fn fill(&mut self, size: usize, buf: &mut BytesMut) -> bool {
        let have = usize::from(self.have);
        let taken = (size - have).min(buf.len());
        self.bytes[have..have + taken].copy_from_slice(&buf[..taken]);
        buf.advance(taken);
        self.have += taken as u8; // at most 14
        have + taken == size
    }

    fn judge(&self, compression: bool) -> Result<(), FramingError> {
        let [first, second, ..] = self.bytes;
        if second & 0x80 == 0 {
            return Err(FramingError::Unmasked);
        }
        // The first bit may be set where a message begins (RFC 7692, section 6).
        let allowed = if compression && matches!(first & 0x0f, 0x1 | 0x2) { 0x40 } else { 0 };
        if first & 0x70 & !allowed != 0 {
            return Err(FramingError::ReservedBits);
        }
        if opcode(first).ok_or(FramingError::ReservedOpcode)?.is_control() {
            if first & 0x80 == 0 {
                return Err(FramingError::FragmentedControl);
            }
            if second & 0x7f > 125 {
                return Err(FramingError::LongControl);
            }
        }
        Ok(())
    }
}

/// The opcode in the first byte of a header.
fn opcode(first: u8) -> Option<Opcode> {
    Some(match first & 0x0f {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        _ => return None,
    })
}
