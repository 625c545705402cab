//! On the text `sleep`, waits 60 seconds for the host's clock, then answers `awake`; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::time::Duration;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() != Some("sleep") {
            return guests::echo(connection, message);
        }
        std::thread::sleep(Duration::from_secs(60));
        Ok(connection.send("awake")?)
    }
}

guests::export_guest!(Guest);
