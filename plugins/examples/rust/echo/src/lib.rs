//! Sends every message back as it came.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Echo;

impl Behavior for Echo {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        Ok(connection.send(message)?)
    }
}

socklet_sdk::export_behavior!(Echo);
