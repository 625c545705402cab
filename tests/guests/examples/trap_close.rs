//! Traps in `on-close`, after the obituary was published; echoes until then.

use socklet_sdk::{Behavior, Close, Connection, Ending, Message};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        guests::echo(connection, message)
    }

    fn on_close(&mut self, _connection: Connection, _ending: Ending) {
        guests::trap()
    }
}

guests::export_guest!(Guest);
