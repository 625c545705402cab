//! Frames that somebody decides on: what follows when one is processed, and when one is skipped.
//!
//! What comes next on the wire is judged by what was there, whatever was decided: a skipped fragment is still a fragment.

use super::{
    Decoder, FramingError, Inbound,
    decoder::{control, message},
};
use socklet_core::{Frame, Opcode};

// === impl Decoder ===

impl Decoder {
    /// Has a frame that was handed out handled as usual: the message that it completes, a ping, a pong, or the close frame, with
    /// which the decoder is finished.
    ///
    /// # Errors
    ///
    /// What is wrong with its message: text that is not UTF-8, data that is not DEFLATE, more than the limits allow when it is
    /// inflated. The decoder is finished then.
    pub(crate) fn process(&mut self, frame: Frame) -> Result<Option<Inbound>, FramingError> {
        if self.finished {
            return Ok(None);
        }
        let outcome = self.handle(frame);
        if matches!(outcome, Err(_) | Ok(Some(Inbound::Close(_)))) {
            self.finish_stream();
        }
        outcome
    }

    /// Leaves out a frame that was handed out: whoever looked at it has dealt with it. A fragment's payload is left out of its
    /// message, and a message whose last frame is skipped is not delivered; what is delivered of a text must still be UTF-8. A
    /// compressed message is of one piece: it is not delivered when any of its frames is skipped, but inflated all the same where
    /// later messages may refer to it, under the same limits. After a close frame the decoder is finished in any case.
    ///
    /// # Errors
    ///
    /// What is wrong with a compressed message that has to be inflated. The decoder is finished then.
    pub(crate) fn skip(&mut self, frame: Frame) -> Result<(), FramingError> {
        if self.finished {
            return Ok(());
        }
        let outcome = match frame.opcode {
            Opcode::Ping | Opcode::Pong => return Ok(()),
            Opcode::Close => Ok(()),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => match self.leave_out(&frame) {
                Ok(()) => return Ok(()),
                Err(error) => Err(error),
            },
        };
        self.finish_stream();
        outcome
    }

    fn handle(&mut self, frame: Frame) -> Result<Option<Inbound>, FramingError> {
        let Frame { opcode, fin, payload } = frame;
        if opcode.is_control() {
            return control(opcode, payload).map(Some);
        }
        let Some(begun) = &self.message else { return Ok(None) };
        if fin && begun.wire().is_none() && begun.len() == 0 {
            let text = begun.is_text();
            self.message = None;
            return message(text, payload).map(|message| Some(Inbound::Message(message)));
        }
        let end = fin.then(|| begun.len() + payload.len());
        self.push(&payload, end)?;
        if !fin {
            return Ok(None);
        }
        Ok(self.finish_message()?.map(Inbound::Message))
    }

    fn leave_out(&mut self, frame: &Frame) -> Result<(), FramingError> {
        if let Some(message) = &mut self.message
            && message.wire().is_some()
        {
            message.drop_payload();
            self.push(&frame.payload, None)?;
            if frame.fin {
                self.finish_message()?;
            }
        }
        if frame.fin {
            self.message = None;
        }
        Ok(())
    }
}
