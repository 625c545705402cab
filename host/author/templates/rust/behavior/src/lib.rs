//! {{name}}: numbers the messages of each connection.

use serde::{Deserialize, Serialize};
use socklet_sdk::{Close, Connection, Message, Peer, PerConnection};
use std::error::Error;

/// One connection's, whoever shares the instance. Saved, as JSON, while the instance sleeps.
#[derive(Default, Deserialize, Serialize)]
struct Conversation {
    messages: u64,
}

/// What all connections share: what `[plugin.{{name}}.settings]` of the server's configuration says, or
/// `socklet run --setting separator=": "`. Settings are read again rather than saved.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    #[serde(skip_serializing)]
    separator: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { separator: ". ".to_owned() }
    }
}

impl Peer for Conversation {
    type Shared = Settings;

    fn start(settings: &mut Settings) -> Result<(), Box<dyn Error>> {
        *settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn on_message(&mut self, settings: &mut Settings, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        self.messages += 1;
        Ok(connection.send(format!("{}{}{text}", self.messages, settings.separator))?)
    }
}

socklet_sdk::export_behavior!(PerConnection<Conversation>, state);
