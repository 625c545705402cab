//! Spins on the text `spin`, echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        match message.text() {
            Some("spin") => guests::spin(),
            _ => guests::echo(connection, message),
        }
    }
}

guests::export_guest!(Guest);
