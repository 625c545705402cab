//! Answers every third text of a client with all three, and has the mistake that the guide to testing looks for: what it heard is kept
//! once for all clients.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Digest {
    of: Option<Connection>,
    heard: Vec<String>,
}

impl Behavior for Digest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if self.of != Some(connection) {
            self.of = Some(connection);
            self.heard.clear();
        }
        self.heard.push(message.text().unwrap_or_default().to_owned());
        if self.heard.len() == 3 {
            connection.send(self.heard.join(", "))?;
            self.heard.clear();
        }
        Ok(())
    }
}

guests::export_guest!(Digest);
