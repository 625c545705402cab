//! Exports `state`, but does not save: it counts messages, answers with the count, and keeps it to itself.

use socklet_sdk::{Behavior, Close, Connection, Message, State};

#[derive(Default)]
struct Guest {
    messages: u64,
}

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, _message: Message) -> Result<(), Close> {
        self.messages += 1;
        Ok(connection.send(self.messages.to_string())?)
    }
}

impl State for Guest {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        Err("this guest does not save".into())
    }

    fn load(&mut self, _state: Vec<u8>) -> Result<(), String> {
        Err("this guest saved nothing".into())
    }
}

guests::export_guest!(Guest, state);
