//! As `versioned`, without `state`: its instances can only stay where they are.

use socklet_sdk::{Behavior, Close, Connection, Message, setting};
use std::error::Error;

#[derive(Default)]
struct Guest {
    version: String,
    messages: u64,
}

impl Behavior for Guest {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.version = setting("version")?.unwrap_or_default();
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, _message: Message) -> Result<(), Close> {
        self.messages += 1;
        Ok(connection.send(format!("{} {}", self.version, self.messages))?)
    }
}

guests::export_guest!(Guest);
