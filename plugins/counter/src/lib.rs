//! Counts the messages of each connection, and keeps counting in another version of itself.

use socklet_sdk::{Behavior, Close, Connection, Message, State};

/// `v1` or `v2`: the package's own version.
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION_MAJOR"));

#[derive(Default)]
struct Counter {
    messages: u64,
}

impl Behavior for Counter {
    fn on_message(&mut self, connection: Connection, _message: Message) -> Result<(), Close> {
        self.messages += 1;
        Ok(connection.send(format!("{VERSION} {}", self.messages))?)
    }
}

impl State for Counter {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        Ok(self.messages.to_string().into_bytes())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        let text = String::from_utf8(state).map_err(|error| error.to_string())?;
        self.messages = text.parse().map_err(|_| format!("not a number: {text}"))?;
        Ok(())
    }
}

socklet_sdk::export_behavior!(Counter, state);
