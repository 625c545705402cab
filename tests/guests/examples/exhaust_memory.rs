//! On the text `grow`, takes memory until it is refused, keeps it, and answers `refused after N MiB`; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};

const MIB: usize = 1024 * 1024;

#[derive(Default)]
struct Guest {
    taken: Vec<Vec<u8>>,
}

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() != Some("grow") {
            return guests::echo(connection, message);
        }
        loop {
            let mut piece = Vec::new();
            if piece.try_reserve_exact(MIB).is_err() {
                return Ok(connection.send(format!("refused after {} MiB", self.taken.len()))?);
            }
            piece.resize(MIB, 1);
            self.taken.push(piece);
        }
    }
}

guests::export_guest!(Guest);
