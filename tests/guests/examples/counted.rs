//! Exports `state` and `timer-events`, counts messages over sleeps and versions, and dies on command. `README.md` lists what it obeys.

use socklet_sdk::{Behavior, Close, Connection, Message, State, TimerEvents, setting, timers};
use std::{error::Error, hint::black_box, time::Duration};

#[derive(Default)]
struct Guest {
    version: String,
    dies: String,
    messages: u64,
}

impl Guest {
    fn dies_in(&self, place: &str) {
        if self.dies == place {
            guests::trap();
        }
    }

    fn answer(&self) -> String {
        format!("{} {}", self.version, self.messages)
    }
}

impl Behavior for Guest {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.version = setting("version")?.unwrap_or_default();
        self.dies = setting("dies")?.unwrap_or_default();
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.dies_in("message");
        let text = message.text().unwrap_or_default();
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["trap"] => guests::trap(),
            ["busy", turns] => (0..turns.parse().unwrap_or(0u64)).for_each(|turn| _ = black_box(turn)),
            ["timer", name, ms] => timers::set(name, Duration::from_millis(ms.parse().unwrap_or(1)))?,
            _ => {}
        }
        self.messages += 1;
        connection.send(self.answer())?;
        self.dies_in("sent");
        Ok(())
    }
}

impl State for Guest {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        if self.dies == "refuse" {
            return Err("asked to refuse".into());
        }
        self.dies_in("save");
        Ok(self.messages.to_string().into_bytes())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        self.dies_in("load");
        let text = String::from_utf8(state).map_err(|error| error.to_string())?;
        self.messages = text.parse().map_err(|_| "not a number")?;
        Ok(())
    }
}

impl TimerEvents for Guest {
    fn on_timer(&mut self, name: String) {
        socklet_sdk::send_all(format!("{name} {}", self.answer()), None);
    }
}

guests::export_guest!(Guest, state, timer_events);
