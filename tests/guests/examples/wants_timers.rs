//! Exports `timer-events` and imports `timers`: a number as text sets a timer of so many milliseconds, which tells everybody.

use socklet_sdk::{Behavior, Close, Connection, Message, TimerEvents, timers};
use std::time::Duration;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        match message.text().and_then(|text| text.parse().ok()) {
            Some(millis) => Ok(timers::set("timer", Duration::from_millis(millis))?),
            None => guests::echo(connection, message),
        }
    }
}

impl TimerEvents for Guest {
    fn on_timer(&mut self, name: String) {
        socklet_sdk::send_all(name, None);
    }
}

guests::export_guest!(Guest, timer_events);
