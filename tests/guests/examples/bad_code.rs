//! Ends connections as no plugin may: a number as text is returned as close code, `long` is a reason of 200 bytes.

use socklet_sdk::{Behavior, Close, Connection, Message};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        match message.text() {
            Some("long") => Err(Close { code: 4000, reason: "r".repeat(200) }),
            Some(text) => match text.parse() {
                Ok(code) => Err(Close::new(code, "")),
                Err(_) => guests::echo(connection, message),
            },
            None => guests::echo(connection, message),
        }
    }
}

guests::export_guest!(Guest);
