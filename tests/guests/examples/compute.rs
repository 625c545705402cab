//! A number as text: computes so many thousand turns, then answers `done`; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::hint::black_box;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let Some(thousands) = message.text().and_then(|text| text.parse::<u64>().ok()) else {
            return guests::echo(connection, message);
        };
        let mut turns = 0u64;
        while turns < thousands * 1_000 {
            turns = black_box(turns + 1);
        }
        Ok(connection.send("done")?)
    }
}

guests::export_guest!(Guest);
