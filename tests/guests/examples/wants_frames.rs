//! Exports `frames`: answers each ping with the text `ping`, and echoes.

use socklet_sdk::{Behavior, Close, Connection, Disposition, Frame, Frames, Message, Opcode};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        guests::echo(connection, message)
    }
}

impl Frames for Guest {
    fn on_frame(&mut self, connection: Connection, frame: Frame) -> Disposition {
        if frame.opcode == Opcode::Ping {
            let _ = connection.send("ping");
        }
        Disposition::Process
    }
}

guests::export_guest!(Guest, frames);
