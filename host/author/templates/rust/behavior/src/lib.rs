//! {{name}}: numbers the messages of each connection.

use serde::Deserialize;
use socklet_sdk::{Behavior, Close, Connection, Ending, Message, State};
use std::{collections::BTreeMap, error::Error};

/// What `[plugin.{{name}}.settings]` of the server's configuration says, or `socklet run --setting separator=": "`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    separator: String,
}

#[derive(Default)]
struct Plugin {
    settings: Settings,
    /// By the connection's id: an instance may serve one connection, or many. Saved while the instance sleeps.
    messages: BTreeMap<u64, u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { separator: ". ".to_owned() }
    }
}

impl Behavior for Plugin {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        let messages = self.messages.entry(connection.id()).or_default();
        *messages += 1;
        Ok(connection.send(format!("{messages}{}{text}", self.settings.separator))?)
    }

    fn on_close(&mut self, connection: Connection, _ending: Ending) {
        self.messages.remove(&connection.id());
    }
}

impl State for Plugin {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.messages).map_err(|error| error.to_string())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        self.messages = serde_json::from_slice(&state).map_err(|error| error.to_string())?;
        Ok(())
    }
}

socklet_sdk::export_behavior!(Plugin, state);
