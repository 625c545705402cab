//! Which frames a plugin may send at this point, RFC 6455 sections 5.4 and 5.5.

use super::utf8::Utf8;
use socklet_core::{Opcode, SendError};

/// The message that a plugin has begun to send in fragments, if any. A value to try a frame on: keep what
/// [`Self::after`] returns once the frame is queued, and the old value when it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboundFragments(Begun);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    Nothing,
    Text(Utf8),
    Binary,
}

impl OutboundFragments {
    /// Whether a whole message may be sent now.
    ///
    /// # Errors
    ///
    /// [`SendError::Invalid`] between the first and the last fragment of another.
    pub(crate) fn allow_message(self) -> Result<(), SendError> {
        match self.0 {
            Begun::Nothing => Ok(()),
            Begun::Text(_) | Begun::Binary => Err(SendError::Invalid),
        }
    }

    /// The opcode of the message that this frame completes, if it does.
    pub(crate) fn completes(self, opcode: Opcode, fin: bool) -> Option<Opcode> {
        match (opcode, self.0) {
            (Opcode::Text | Opcode::Binary, _) if fin => Some(opcode),
            (Opcode::Continuation, Begun::Text(_)) if fin => Some(Opcode::Text),
            (Opcode::Continuation, Begun::Binary) if fin => Some(Opcode::Binary),
            _ => None,
        }
    }

    /// What holds once this frame is sent.
    ///
    /// # Errors
    ///
    /// [`SendError::Invalid`] for a close frame; for a control frame that is a fragment or has more than 125 bytes; for
    /// a continuation of nothing or a new message inside another; for text that is not UTF-8 as a whole.
    pub(crate) fn after(self, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<Self, SendError> {
        let begun = match (opcode, self.0) {
            (Opcode::Ping | Opcode::Pong, _) if fin && payload.len() <= 125 => return Ok(self),
            (Opcode::Text, Begun::Nothing) => Begun::Text(Utf8::default()),
            (Opcode::Binary, Begun::Nothing) => Begun::Binary,
            (Opcode::Continuation, begun @ (Begun::Text(_) | Begun::Binary)) => begun,
            _ => return Err(SendError::Invalid),
        };
        let begun = match begun {
            Begun::Text(mut utf8) => {
                utf8.push(payload, |_| {}).map_err(|_| SendError::Invalid)?;
                if fin && utf8.begun() > 0 {
                    return Err(SendError::Invalid);
                }
                Begun::Text(utf8)
            }
            begun => begun,
        };
        Ok(Self(if fin { Begun::Nothing } else { begun }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};

    /// Sends frames one after the other; the index of each that was refused.
    fn refused(frames: &[(Opcode, bool, &[u8])]) -> Vec<usize> {
        let mut state = OutboundFragments::default();
        let mut refused = Vec::new();
        for (index, &(opcode, fin, payload)) in frames.iter().enumerate() {
            match state.after(opcode, fin, payload) {
                Ok(after) => state = after,
                Err(error) => {
                    assert_eq!(error, SendError::Invalid);
                    refused.push(index);
                }
            }
        }
        refused
    }

    #[test]
    fn rules() {
        for (frames, expected) in [
            (&[(Text, true, &b"a"[..]), (Binary, true, b"\xff"), (Text, true, b"")][..], &[][..]),
            (&[(Text, false, b"a"), (Continuation, false, b""), (Continuation, true, b"b"), (Text, true, b"")], &[]),
            (&[(Binary, false, b"\xff"), (Ping, true, b""), (Continuation, true, b"\xfe"), (Pong, true, b"")], &[]),
            (&[(Continuation, true, b""), (Continuation, false, b"")], &[0, 1]),
            (&[(Text, false, b"a"), (Text, true, b"b"), (Binary, false, b""), (Continuation, true, b"")], &[1, 2]),
            (&[(Close, true, b"\x03\xe8"), (Close, true, b""), (Close, false, b"")], &[0, 1, 2]),
            (&[(Ping, false, b""), (Pong, false, b""), (Ping, true, &[0; 125]), (Pong, true, &[0; 126])], &[0, 1, 3]),
            (&[(Text, true, b"\xff"), (Text, false, b"\xff"), (Text, true, b"\xe2\x82")], &[0, 1, 2]),
            (&[(Text, false, b"\xe2"), (Continuation, false, b"\x82"), (Continuation, true, b"\xac")], &[]),
            (&[(Text, false, b"\xe2"), (Continuation, true, b"\x82"), (Continuation, true, b"\x82\xac")], &[1]),
            (&[(Text, false, b"\xe2"), (Continuation, false, b"a"), (Continuation, true, b"\x82\xac")], &[1]),
        ] {
            assert_eq!(refused(frames), expected, "{frames:x?}");
        }
    }

    #[test]
    fn a_whole_message_waits_for_the_last_fragment() {
        let idle = OutboundFragments::default();
        assert_eq!(idle.allow_message(), Ok(()));
        for opcode in [Text, Binary] {
            let begun = idle.after(opcode, false, b"a").unwrap();
            assert_eq!(begun.allow_message(), Err(SendError::Invalid));
            let pinged = begun.after(Ping, true, b"").unwrap();
            assert_eq!(pinged.allow_message(), Err(SendError::Invalid));
            assert_eq!(pinged.after(Continuation, true, b"b").unwrap().allow_message(), Ok(()));
        }
    }
}
