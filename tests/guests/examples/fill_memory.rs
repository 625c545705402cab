//! On the text `fill`, fills 32 MiB over and over, each time in one instruction; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::hint::black_box;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() != Some("fill") {
            return guests::echo(connection, message);
        }
        let mut memory = vec![0u8; 32 * 1024 * 1024];
        loop {
            black_box(&mut memory).fill(1);
        }
    }
}

guests::export_guest!(Guest);
