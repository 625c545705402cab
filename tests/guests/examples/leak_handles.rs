//! On the text `leak`, takes handles of the host and never gives them back; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};
use wasip2::clocks::monotonic_clock::subscribe_duration;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() != Some("leak") {
            return guests::echo(connection, message);
        }
        loop {
            std::mem::forget(subscribe_duration(u64::MAX / 2));
        }
    }
}

guests::export_guest!(Guest);
