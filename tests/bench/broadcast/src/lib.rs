//! Sends every message to all connections of the route, the sender's own included: the fan-out that is measured.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Broadcast;

impl Behavior for Broadcast {
    fn on_message(&mut self, _connection: Connection, message: Message) -> Result<(), Close> {
        socklet_sdk::send_all(message, None);
        Ok(())
    }
}

socklet_sdk::export_behavior!(Broadcast);
