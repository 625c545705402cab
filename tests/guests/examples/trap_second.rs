//! Echoes every first message and traps on every second one of its instance.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Guest {
    messages: u64,
}

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.messages += 1;
        if self.messages.is_multiple_of(2) { guests::trap() } else { guests::echo(connection, message) }
    }
}

guests::export_guest!(Guest);
