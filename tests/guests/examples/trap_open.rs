//! Traps in `on-open`, after the birth was published.

use socklet_sdk::{Behavior, Close, Connection};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_open(&mut self, _connection: Connection) -> Result<(), Close> {
        guests::trap()
    }
}

guests::export_guest!(Guest);
