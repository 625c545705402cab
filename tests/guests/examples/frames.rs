//! Exports `frames`: notes every frame, and does with it what its payload says: `skip`, `stop`, `trap`, `spin`. The text `frames`
//! is answered with the notes since the last time, one a line; everything else comes back.

use socklet_sdk::{Behavior, Close, Connection, Disposition, Frame, Frames, Message, Opcode};

#[derive(Default)]
struct Guest {
    notes: Vec<String>,
}

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() != Some("frames") {
            return guests::echo(connection, message);
        }
        // The last note is of the question itself.
        self.notes.pop();
        Ok(connection.send(std::mem::take(&mut self.notes).join("\n"))?)
    }
}

impl Frames for Guest {
    fn on_frame(&mut self, _connection: Connection, frame: Frame) -> Disposition {
        let (name, text) = match (frame.opcode, &frame.payload[..]) {
            (Opcode::Continuation, payload) => ("continuation".to_owned(), payload),
            (Opcode::Text, payload) => ("text".to_owned(), payload),
            (Opcode::Binary, payload) => ("binary".to_owned(), payload),
            (Opcode::Close, [high, low, reason @ ..]) => {
                (format!("close {}", u16::from_be_bytes([*high, *low])), reason)
            }
            (Opcode::Close, payload) => ("close".to_owned(), payload),
            (Opcode::Ping, payload) => ("ping".to_owned(), payload),
            (Opcode::Pong, payload) => ("pong".to_owned(), payload),
        };
        let last = if frame.fin { "last" } else { "more" };
        self.notes.push(format!("{name} {last} {}", String::from_utf8_lossy(text)));
        match text {
            b"skip" => Disposition::Skip,
            b"stop" => Disposition::Stop,
            b"trap" => guests::trap(),
            b"spin" => guests::spin(),
            _ => Disposition::Process,
        }
    }
}

guests::export_guest!(Guest, frames);
