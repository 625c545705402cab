//! Counts the messages of each connection.

use serde::{Deserialize, Serialize};
use socklet_sdk::{Close, Connection, Message, Peer, PerConnection};
use std::error::Error;

/// One connection's; saved while the instance sleeps.
#[derive(Default, Deserialize, Serialize)]
struct Counter {
    messages: i64,
}

/// What all connections share. Settings are read again rather than saved.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Where counting begins.
    #[serde(skip_serializing)]
    start: i64,
}

impl Peer for Counter {
    type Shared = Settings;

    fn start(settings: &mut Settings) -> Result<(), Box<dyn Error>> {
        *settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn on_message(&mut self, settings: &mut Settings, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        self.messages = if text == "reset" { 0 } else { self.messages + 1 };
        Ok(connection.send((settings.start + self.messages).to_string())?)
    }
}

socklet_sdk::export_behavior!(PerConnection<Counter>, state);
