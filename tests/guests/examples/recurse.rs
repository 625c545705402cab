//! On the text `recurse`, calls itself without end; echoes everything else.

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::hint::black_box;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() == Some("recurse") {
            descend(black_box(1));
        }
        guests::echo(connection, message)
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
#[inline(never)]
fn descend(depth: u64) -> u64 {
    black_box(descend(black_box(depth + 1))) + depth
}

guests::export_guest!(Guest);
