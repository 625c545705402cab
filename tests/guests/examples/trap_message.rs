//! Traps on the text `trap`, echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        match message.text() {
            Some("trap") => guests::trap(),
            _ => guests::echo(connection, message),
        }
    }
}

guests::export_guest!(Guest);
