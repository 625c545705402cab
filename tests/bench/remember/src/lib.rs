//! Sends every message back and remembers how many there were: an echo that can be saved, to be put to sleep and swapped.

use socklet_sdk::{Behavior, Close, Connection, Message, State};

#[derive(Default)]
struct Remember {
    messages: u64,
}

impl Behavior for Remember {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.messages += 1;
        Ok(connection.send(message)?)
    }
}

impl State for Remember {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        Ok(self.messages.to_le_bytes().to_vec())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        let state = <[u8; 8]>::try_from(state).map_err(|_| "not eight bytes")?;
        self.messages = u64::from_le_bytes(state);
        Ok(())
    }
}

socklet_sdk::export_behavior!(Remember, state);
