//! Rooms that talk: who is there, who comes and goes, and what they say.
//!
//! Everything about a member is in the attachment that the host keeps, and rooms are topics: so it is the same chat whether an
//! instance serves one connection, a room, or the whole route, and a leave notice is right even when the instance that heard the
//! join is gone.

mod member;
mod protocol;
mod settings;

use member::Member;
use protocol::{Request as ClientRequest, Say};
use settings::Settings;
use socklet_sdk::{Acceptance, Behavior, Close, Connection, Ending, Message, Principal, Request, Response, topics};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Default)]
struct Chat {
    settings: Settings,
}

// === impl Chat ===

impl Behavior for Chat {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn on_upgrade(&mut self, request: Request, principal: Option<Principal>) -> Result<Acceptance, Response> {
        let room = request.capture("room").unwrap_or(&self.settings.default_room);
        if !member::is_room(room, self.settings.max_room) {
            return Err(Response::new(400).with_text("this is no name for a room\n"));
        }
        let wanted = request.query_value("name");
        let member =
            Member::new(room, principal.as_ref(), wanted.as_deref(), request.connection, self.settings.max_name);
        request.connection().attach(&member).map_err(Response::internal_error)?;
        Ok(Acceptance::default())
    }

    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        let mut member = Member::of(connection).ok_or_else(lost)?;
        let topic = member.topic();
        let before = self.members(&topic, connection);
        member.join_as(member::free_name(&member, &before));
        connection.attach(&member)?;
        // Whoever comes from here on is heard; whoever came before is listed; who does both is named twice, and names are a set.
        connection.subscribe(&topic)?;
        let members = self.members(&topic, connection);
        reply(connection, &Say::Welcome { you: &member.name, room: &member.room, members: names(&member, &members) });
        if !member.is_among(&before) {
            say(&topic, &Say::Join { name: &member.name, verified: member.verified }, Some(connection));
        }
        Ok(())
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::new(Close::UNSUPPORTED, "text only"));
        };
        let member = Member::of(connection).ok_or_else(lost)?;
        match ClientRequest::parse(&text, self.settings.max_text) {
            Ok(ClientRequest::Say { text }) => {
                let line = Say::Message { from: &member.name, text: &text, at: now(), verified: member.verified };
                say(&member.topic(), &line, None);
            }
            Ok(ClientRequest::Who) => {
                let members = self.members(&member.topic(), connection);
                reply(connection, &Say::Members { room: &member.room, members: names(&member, &members) });
            }
            Err(reason) => reply(connection, &Say::Error { reason: &reason }),
        }
        Ok(())
    }

    fn on_close(&mut self, connection: Connection, _ending: Ending) {
        let Some(member) = Member::of(connection).filter(|member| member.joined) else { return };
        let topic = member.topic();
        if !(member.verified && member.is_among(&self.members(&topic, connection))) {
            say(&topic, &Say::Leave { name: &member.name, verified: member.verified }, Some(connection));
        }
    }
}

impl Chat {
    /// The members of a room beside this one, as many as the settings list.
    fn members(&self, topic: &str, but: Connection) -> Vec<Member> {
        let subscribers = topics::subscribers(topic).into_iter().filter(|subscriber| *subscriber != but);
        subscribers.take(self.settings.max_listed).filter_map(Member::of).collect()
    }
}

/// Every name once, in order.
fn names<'a>(member: &'a Member, others: &'a [Member]) -> Vec<&'a str> {
    let names: BTreeSet<&str> = others.iter().chain([member]).map(|one| one.name.as_str()).collect();
    names.into_iter().collect()
}

fn lost() -> Close {
    socklet_sdk::error!("a connection without its attachment");
    Close::new(Close::INTERNAL, "internal error")
}

fn say(topic: &str, line: &Say<'_>, but: Option<Connection>) {
    topics::publish(topic, line.to_json(), but);
}

/// Answers one member. A full queue is the host's to judge, by the route's policy for slow consumers.
fn reply(connection: Connection, line: &Say<'_>) {
    if let Err(error) = connection.send(line.to_json()) {
        socklet_sdk::debug!("an answer was not queued: {error}");
    }
}

/// Unix milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

socklet_sdk::export_behavior!(Chat);
