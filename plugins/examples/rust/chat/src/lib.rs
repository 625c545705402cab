//! Rooms that talk: who comes and goes, and what they say.
//!
//! Everything about a member is in the attachment that the host keeps with the connection, so nothing has to be saved, and a trap loses
//! nobody.

use serde::{Deserialize, Serialize};
use socklet_sdk::{
    Acceptance, Behavior, Close, Connection, Ending, Message, Principal, Request, Response, State, TimerEvents, timers,
    topics,
};
use std::time::Duration;

const MAX_NAME: usize = 40;

/// What is attached to a connection.
#[derive(Deserialize, Serialize)]
struct Member {
    name: String,
    room: String,
}

/// What a room hears.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Say<'a> {
    Join { name: &'a str, members: usize },
    Leave { name: &'a str, members: usize },
    Message { name: &'a str, text: &'a str },
    Timer,
}

#[derive(Default)]
struct Chat;

// === impl Member ===

impl Member {
    fn of(connection: Connection) -> Result<Self, Close> {
        connection.attached().ok_or_else(|| {
            socklet_sdk::error!("a connection without its attachment");
            Close::new(Close::INTERNAL, "internal error")
        })
    }

    fn topic(&self) -> String {
        format!("room:{}", self.room)
    }

    fn others(&self) -> usize {
        topics::subscribers(&self.topic()).len()
    }

    fn tell(&self, say: &Say<'_>) -> Result<(), Close> {
        topics::publish(&self.topic(), serde_json::to_string(say)?, None);
        Ok(())
    }
}

// === impl Chat ===

impl Behavior for Chat {
    fn on_upgrade(&mut self, request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        let name = request.query_value("name").unwrap_or_else(|| format!("guest-{}", request.connection));
        if !(1..=MAX_NAME).contains(&name.chars().count()) {
            return Err(Response::new(400).with_text("bad name"));
        }
        let room = request.capture("room").unwrap_or("lobby").to_owned();
        request.connection().attach(&Member { name, room }).map_err(Response::internal_error)?;
        Ok(Acceptance::default())
    }

    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        let member = Member::of(connection)?;
        connection.subscribe(&member.topic())?;
        member.tell(&Say::Join { name: &member.name, members: member.others() })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        match text.as_str() {
            "/quit" => Err(Close::new(Close::NORMAL, "bye")),
            // Any error is logged, and the client gets 1011.
            "/boom" => Err(std::io::Error::other("boom"))?,
            "/later" => Ok(timers::set(&connection.id().to_string(), Duration::from_secs(1))?),
            text => {
                let member = Member::of(connection)?;
                member.tell(&Say::Message { name: &member.name, text })
            }
        }
    }

    fn on_close(&mut self, connection: Connection, _ending: Ending) {
        timers::cancel(&connection.id().to_string());
        if let Ok(member) = Member::of(connection) {
            let told = member.tell(&Say::Leave { name: &member.name, members: member.others() });
            told.unwrap_or_else(|_| socklet_sdk::warn!("nobody was told who left"));
        }
    }
}

/// There is nothing to save; that it says so lets an instance sleep.
impl State for Chat {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn load(&mut self, _state: Vec<u8>) -> Result<(), String> {
        Ok(())
    }
}

impl TimerEvents for Chat {
    fn on_timer(&mut self, name: String) {
        let Ok(id) = name.parse() else { return };
        if let Err(error) = Connection::from_id(id).send_json(&Say::Timer) {
            socklet_sdk::debug!("a timer came too late: {error}");
        }
    }
}

socklet_sdk::export_behavior!(Chat, state, timer_events);
