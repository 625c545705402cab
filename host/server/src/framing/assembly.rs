//! A message that arrives in pieces: fragments, or parts of a frame that did not come at once.

use super::{FramingError, utf8::Utf8};
use bytes::Bytes;
use bytestring::ByteString;
use socklet_core::Message;

/// What has arrived of a message.
#[derive(Debug)]
pub(super) struct Assembly {
    payload: Payload,
    frames: usize,
    /// Of a compressed message, its bytes on the wire with all of the frame that has begun.
    wire: Option<usize>,
}

#[derive(Debug)]
enum Payload {
    Text(String, Utf8),
    Binary(Vec<u8>),
    /// Nobody wants it: how much there would be of it.
    Dropped(usize),
}

impl Assembly {
    /// The beginning of a text message, or of a binary one.
    pub(super) fn new(text: bool) -> Self {
        let payload = if text { Payload::Text(String::new(), Utf8::default()) } else { Payload::Binary(Vec::new()) };
        Self { payload, frames: 1, wire: None }
    }

    /// The same message, compressed.
    pub(super) fn compressed(self) -> Self {
        Self { wire: Some(0), ..self }
    }

    /// How many bytes have arrived; of a compressed message, once they are inflated.
    pub(super) fn len(&self) -> usize {
        match &self.payload {
            Payload::Text(text, utf8) => text.len() + utf8.begun(),
            Payload::Binary(bytes) => bytes.len(),
            Payload::Dropped(len) => *len,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.payload, Payload::Text(..))
    }

    /// The bytes on the wire of a compressed message, with all of the frame that has begun.
    pub(super) fn wire(&self) -> Option<usize> {
        self.wire
    }

    pub(super) fn is_dropped(&self) -> bool {
        matches!(self.payload, Payload::Dropped(_))
    }

    /// Nobody wants it any more.
    pub(super) fn drop_payload(&mut self) {
        self.payload = Payload::Dropped(self.len());
    }

    /// How many frames have begun.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// One more frame has begun.
    pub(super) fn begin_frame(&mut self) {
        self.frames += 1;
    }

    /// The frame that has begun has this payload; only compressed messages count it.
    pub(super) fn announce(&mut self, payload: usize) {
        self.wire = self.wire.map(|wire| wire.saturating_add(payload));
    }

    /// Adds bytes, unmasked and inflated. `end` is what the whole message has at most, where it is known.
    pub(super) fn push(&mut self, bytes: &[u8], end: Option<usize>) -> Result<(), FramingError> {
        match &mut self.payload {
            Payload::Text(text, utf8) => {
                let more = growth(text.len(), text.capacity(), utf8.begun() + bytes.len(), end);
                text.reserve_exact(more);
                utf8.push(bytes, |complete| text.push_str(complete)).map_err(|_| FramingError::NotUtf8)
            }
            Payload::Binary(payload) => {
                let more = growth(payload.len(), payload.capacity(), bytes.len(), end);
                payload.reserve_exact(more);
                payload.extend_from_slice(bytes);
                Ok(())
            }
            Payload::Dropped(len) => {
                *len += bytes.len();
                Ok(())
            }
        }
    }

    /// The complete message; none when nobody wants it.
    pub(super) fn finish(self) -> Result<Option<Message>, FramingError> {
        match self.payload {
            Payload::Text(text, utf8) if utf8.begun() == 0 => Ok(Some(Message::Text(ByteString::from(text)))),
            Payload::Text(..) => Err(FramingError::NotUtf8),
            Payload::Binary(bytes) => Ok(Some(Message::Binary(Bytes::from(bytes)))),
            Payload::Dropped(_) => Ok(None),
        }
    }
}

/// How much room to add for `more` bytes: doubling, so that memory follows what has arrived and not what was announced,
/// and never beyond the end of the message.
pub(super) fn growth(len: usize, capacity: usize, more: usize, end: Option<usize>) -> usize {
    if capacity - len >= more {
        return 0;
    }
    let doubled = len.saturating_mul(2).max(64);
    let bounded = end.map_or(doubled, |end| doubled.min(end));
    bounded.max(len + more) - len
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn room_doubles_and_ends_where_the_message_ends() {
        for (len, capacity, more, end, expected) in [
            (0, 0, 0, None, 0),
            (0, 0, 1, None, 64),
            (0, 0, 1, Some(10), 10),
            (0, 0, 100, Some(100_000), 100),
            (64, 64, 1, None, 64),
            (100, 128, 28, None, 0),
            (100, 100, 1, Some(150), 50),
            (100, 100, 300, None, 300),
        ] {
            assert_eq!(growth(len, capacity, more, end), expected, "{len} {capacity} {more} {end:?}");
        }
    }
}
