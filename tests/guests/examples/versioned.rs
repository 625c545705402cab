//! Exports `state` and `timer-events`, counts messages, and tells its version: every answer is `VERSION COUNT`. `README.md` lists the
//! settings.

use socklet_sdk::{
    Acceptance, Behavior, Close, Connection, Ending, Message, Principal, Request, Response, State, TimerEvents,
    setting, timers,
};
use std::{error::Error, time::Duration};

#[derive(Default)]
struct Guest {
    version: String,
    dies: String,
    messages: u64,
}

impl Guest {
    fn dies_in(&self, place: &str) {
        assert!(!self.dies.split(' ').any(|dies| dies == place), "asked to die in {place}");
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

    fn on_upgrade(&mut self, _request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        self.dies_in("upgrade");
        Ok(Acceptance::default().with_header("x-version", self.version.as_str()))
    }

    fn on_open(&mut self, _connection: Connection) -> Result<(), Close> {
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.dies_in("message");
        self.messages += 1;
        if let Some(ms) = message.text().and_then(|text| text.strip_prefix("timer ")) {
            timers::set("timer", Duration::from_millis(ms.parse().unwrap_or(1)))?;
        }
        connection.send(self.answer())?;
        self.dies_in("sent");
        Ok(())
    }

    fn on_close(&mut self, _connection: Connection, _ending: Ending) {
        socklet_sdk::send_all(format!("closed {}", self.answer()), None);
    }
}

impl State for Guest {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        self.dies_in("save");
        if self.dies.contains("refuse") {
            return Err("asked to refuse".into());
        }
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
        self.dies_in("timer");
        socklet_sdk::send_all(format!("{name} {}", self.answer()), None);
    }
}

guests::export_guest!(Guest, state, timer_events);
