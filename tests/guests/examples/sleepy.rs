//! Exports `state` and `timer-events`: counts messages over its sleep, and tells how long this instance has been there. A text is
//! a command; `README.md` lists them.

use socklet_sdk::{Behavior, Close, Connection, Ending, Message, State, TimerEvents, timers};
use std::time::Duration;

#[derive(Default)]
struct Guest {
    /// Messages in all. Saved.
    messages: u64,
    /// How `save` and `load` go: a word each, or nothing. Saved.
    save: String,
    load: String,
    /// Calls of this instance: not saved.
    calls: u64,
}

impl Behavior for Guest {
    fn on_open(&mut self, _connection: Connection) -> Result<(), Close> {
        self.calls += 1;
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.calls += 1;
        self.messages += 1;
        let text = message.text().unwrap_or_default();
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        let answer = match command {
            "count" => self.messages.to_string(),
            "calls" => self.calls.to_string(),
            "save" => {
                self.save = rest.to_owned();
                "ok".to_owned()
            }
            "load" => {
                self.load = rest.to_owned();
                "ok".to_owned()
            }
            "timer" => {
                let (name, ms) = rest.split_once(' ').unwrap_or((rest, "1"));
                let after = Duration::from_millis(ms.parse().unwrap_or_default());
                timers::set(name, after).map_or_else(|error| format!("error: {error}"), |()| "ok".to_owned())
            }
            "cancel" => {
                timers::cancel(rest);
                "ok".to_owned()
            }
            "trap" => panic!("asked to"),
            _ => text.to_owned(),
        };
        Ok(connection.send(answer)?)
    }

    fn on_close(&mut self, _connection: Connection, _ending: Ending) {
        self.calls += 1;
        socklet_sdk::send_all(format!("closed after {}", self.messages), None);
    }
}

impl State for Guest {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        match self.save.as_str() {
            "refuse" => return Err("asked to refuse".into()),
            "large" => return Ok(vec![0; 1 << 21]),
            "huge" => return Ok(vec![0; 8 << 20]),
            "trap" => panic!("asked to"),
            "spin" => loop {
                std::hint::black_box(0);
            },
            _ => {}
        }
        Ok(format!("{} {}", self.messages, self.load).into_bytes())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        let text = String::from_utf8(state).map_err(|error| error.to_string())?;
        let (messages, load) = text.split_once(' ').ok_or("not a state")?;
        match load {
            "refuse" => return Err("asked to refuse".into()),
            "trap" => panic!("asked to"),
            _ => {}
        }
        self.messages = messages.parse().map_err(|_| "not a number")?;
        Ok(())
    }
}

impl TimerEvents for Guest {
    fn on_timer(&mut self, name: String) {
        self.calls += 1;
        if name == "trap" {
            panic!("asked to");
        }
        if let Some(next) = name.strip_prefix("again-") {
            let _ = timers::set(&format!("again-{next}"), Duration::from_secs(1));
        }
        socklet_sdk::send_all(format!("{name} {}", self.messages), None);
    }
}

guests::export_guest!(Guest, state, timer_events);
