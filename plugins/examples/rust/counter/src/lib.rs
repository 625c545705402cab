//! Counts the messages of each connection.

use serde::Deserialize;
use socklet_sdk::{Behavior, Close, Connection, Ending, Message, State};
use std::{collections::BTreeMap, error::Error};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Where counting begins.
    start: i64,
}

#[derive(Default)]
struct Counter {
    settings: Settings,
    /// By the connection's id.
    messages: BTreeMap<u64, i64>,
}

impl Behavior for Counter {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        let messages = self.messages.entry(connection.id()).or_default();
        *messages = if text == "reset" { 0 } else { *messages + 1 };
        Ok(connection.send((self.settings.start + *messages).to_string())?)
    }

    fn on_close(&mut self, connection: Connection, _ending: Ending) {
        self.messages.remove(&connection.id());
    }
}

impl State for Counter {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.messages).map_err(|error| error.to_string())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        self.messages = serde_json::from_slice(&state).map_err(|error| error.to_string())?;
        Ok(())
    }
}

socklet_sdk::export_behavior!(Counter, state);
