//! What a decoder needs for compressed messages, RFC 7692 section 6.2: an inflater, and what its messages may grow to.

use super::FramingError;
use crate::compression::{Deflate, InflateError, Inflater};

/// Messages of this size may have been compressed to anything.
const ANY_RATIO: usize = 64 * 1024;

/// Inflates the messages of one client within limits.
#[derive(Debug)]
pub(super) struct Inflation {
    inflater: Inflater,
    takeover: bool,
    max_message: usize,
    max_ratio: usize,
}

// === impl Inflation ===

impl Inflation {
    pub(super) fn new(deflate: &Deflate, max_message: usize, max_ratio: usize) -> Self {
        let takeover = !deflate.client_no_context_takeover;
        Self { inflater: Inflater::default(), takeover, max_message, max_ratio }
    }

    /// Other limits hold from now on.
    pub(super) fn set_limits(&mut self, max_message: usize, max_ratio: usize) {
        (self.max_message, self.max_ratio) = (max_message, max_ratio);
    }

    /// Whether a message may refer to those before it.
    pub(super) fn takeover(&self) -> bool {
        self.takeover
    }

    /// Inflates a part of a message of which there are `have` bytes already, and which has `wire` bytes on the wire with all of
    /// the frame that the part is from. Because the whole frame counts, it makes no difference how it was cut when it came.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        have: usize,
        wire: usize,
        take: impl FnMut(&[u8]) -> Result<(), FramingError>,
    ) -> Result<(), FramingError> {
        let grown = wire.saturating_mul(self.max_ratio).max(ANY_RATIO);
        let room = self.max_message.min(grown).saturating_sub(have);
        self.inflater.inflate(bytes, room, take).map_err(|error| match error {
            InflateError::Refused(error) => error,
            InflateError::Overflow if grown < self.max_message => FramingError::InflatedTooFar,
            InflateError::Overflow => FramingError::MessageTooBig,
            InflateError::Invalid => FramingError::NotDeflate,
        })
    }

    /// The message is complete.
    pub(super) fn finish(&mut self) -> Result<(), FramingError> {
        self.inflater.finish(self.takeover).map_err(|_| FramingError::NotDeflate)
    }

    /// The message is of no interest, and no other refers to it.
    pub(super) fn forget(&mut self) {
        self.inflater.give_back();
    }

    /// The bytes that the inflater holds on to.
    pub(super) fn memory(&self) -> usize {
        self.inflater.memory()
    }
}

/// The largest that something may be on the wire when it is compressed and may have `size` bytes otherwise: what does not get
/// smaller gets a little larger, by what stands before each block.
pub(super) fn on_the_wire(size: usize) -> usize {
    size.saturating_add(size / 16).saturating_add(64)
}
