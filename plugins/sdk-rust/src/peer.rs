//! A value for each connection, whoever shares the instance.

use crate::{
    Acceptance, Behavior, Close, Connection, Ending, Message, Principal, Request, Response, State, TimerEvents, log,
    timers,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    time::Duration,
};

/// A request that was accepted may go away before it opens, and nobody says so: that many are waited for.
const MAX_OPENING: usize = 1024;

/// What one connection does: a value of its own, made by `Default` when its request is accepted and dropped when it has ended. It does
/// not survive a trap: attachments do.
///
/// Export it as `export_behavior!(PerConnection<MyPeer>)`. With `state`, peers and what they share are saved as JSON; with
/// `timer_events`, [`on_timer`](Peer::on_timer) is called.
pub trait Peer: Default + 'static {
    /// What all connections of an instance share: settings, totals; `()` for nothing.
    type Shared: Default + 'static;

    /// Called before the first hook: the place to read settings. After a load it is called again, on what was loaded; what comes from
    /// settings is best marked `#[serde(skip)]`.
    ///
    /// # Errors
    ///
    /// As [`Behavior::start`].
    fn start(shared: &mut Self::Shared) -> Result<(), Box<dyn Error>> {
        let _ = shared;
        Ok(())
    }

    /// As [`Behavior::on_upgrade`].
    ///
    /// # Errors
    ///
    /// The response that refuses the upgrade.
    fn on_upgrade(
        &mut self,
        shared: &mut Self::Shared,
        request: Request,
        principal: Option<Principal>,
    ) -> Result<Acceptance, Response> {
        let _ = (shared, request, principal);
        Ok(Acceptance::default())
    }

    /// As [`Behavior::on_open`].
    ///
    /// # Errors
    ///
    /// The close frame that ends the connection.
    fn on_open(&mut self, shared: &mut Self::Shared, connection: Connection) -> Result<(), Close> {
        let _ = (shared, connection);
        Ok(())
    }

    /// As [`Behavior::on_message`].
    ///
    /// # Errors
    ///
    /// The close frame that ends the connection.
    fn on_message(&mut self, shared: &mut Self::Shared, connection: Connection, message: Message) -> Result<(), Close> {
        let _ = (shared, connection, message);
        Ok(())
    }

    /// A timer of this connection is due: one set by [`Connection::set_timer`].
    ///
    /// # Errors
    ///
    /// The close frame that ends the connection.
    fn on_timer(&mut self, shared: &mut Self::Shared, connection: Connection, name: &str) -> Result<(), Close> {
        let _ = (shared, connection, name);
        Ok(())
    }

    /// As [`Behavior::on_close`]. After a trap it is called on a new value.
    fn on_close(&mut self, shared: &mut Self::Shared, connection: Connection, ending: Ending) {
        let _ = (shared, connection, ending);
    }
}

/// The behavior that a [`Peer`] is.
#[derive(Debug)]
pub struct PerConnection<P: Peer> {
    peers: BTreeMap<u64, P>,
    /// Accepted and not open yet, the oldest first.
    opening: VecDeque<u64>,
    shared: P::Shared,
}

// === impl PerConnection ===

impl<P: Peer> PerConnection<P> {
    /// The peer of an open connection: a new one when the instance that had it is gone.
    fn opened(&mut self, connection: Connection) -> (&mut P, &mut P::Shared) {
        self.opening.retain(|id| *id != connection.id());
        (self.peers.entry(connection.id()).or_default(), &mut self.shared)
    }
}

impl<P: Peer> Default for PerConnection<P> {
    fn default() -> Self {
        Self { peers: BTreeMap::new(), opening: VecDeque::new(), shared: P::Shared::default() }
    }
}

impl<P: Peer> Behavior for PerConnection<P> {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        P::start(&mut self.shared)
    }

    fn on_upgrade(&mut self, request: Request, principal: Option<Principal>) -> Result<Acceptance, Response> {
        let id = request.connection;
        let mut peer = P::default();
        let acceptance = peer.on_upgrade(&mut self.shared, request, principal)?;
        if self.opening.len() >= MAX_OPENING {
            self.opening.pop_front().and_then(|oldest| self.peers.remove(&oldest));
        }
        self.opening.push_back(id);
        self.peers.insert(id, peer);
        Ok(acceptance)
    }

    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        let (peer, shared) = self.opened(connection);
        peer.on_open(shared, connection)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let (peer, shared) = self.opened(connection);
        peer.on_message(shared, connection, message)
    }

    fn on_close(&mut self, connection: Connection, ending: Ending) {
        let (peer, shared) = self.opened(connection);
        peer.on_close(shared, connection, ending);
        self.peers.remove(&connection.id());
    }
}

impl<P> State for PerConnection<P>
where
    P: Peer + Serialize + DeserializeOwned,
    P::Shared: Serialize + DeserializeOwned,
{
    fn save(&mut self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&(&self.shared, &self.peers)).map_err(|error| error.to_string())
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        (self.shared, self.peers) = serde_json::from_slice(&state).map_err(|error| error.to_string())?;
        P::start(&mut self.shared).map_err(|error| error.to_string())
    }
}

impl<P: Peer> TimerEvents for PerConnection<P> {
    fn on_timer(&mut self, name: String) {
        let Some((id, name)) = name.strip_prefix('#').and_then(|rest| rest.split_once('/')) else { return };
        let Some((id, peer)) = id.parse().ok().and_then(|id| Some((id, self.peers.get_mut(&id)?))) else { return };
        let connection = Connection::from_id(id);
        if let Err(close) = peer.on_timer(&mut self.shared, connection, name)
            && let Err(error) = connection.close(close)
        {
            log::debug(&format!("a connection was not closed: {error}"));
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Sets a timer of this connection, or moves the one of that name, in whole milliseconds. It comes due at [`Peer::on_timer`], and not
    /// at all when the connection has ended by then.
    ///
    /// # Errors
    ///
    /// As [`timers::set`].
    pub fn set_timer(self, name: &str, after: Duration) -> Result<(), timers::TimerError> {
        timers::set(&format!("#{}/{name}", self.id()), after)
    }

    /// Forgets a timer of this connection.
    pub fn cancel_timer(self, name: &str) {
        timers::cancel(&format!("#{}/{name}", self.id()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    struct Counter {
        messages: u32,
    }

    impl Peer for Counter {
        type Shared = u32;

        fn on_message(&mut self, total: &mut u32, _connection: Connection, _message: Message) -> Result<(), Close> {
            self.messages += 1;
            *total += 1;
            Ok(())
        }
    }

    #[test]
    fn keeps_one_for_each_connection_and_saves_them() {
        let mut plugin = PerConnection::<Counter>::default();
        for id in [1, 1, 2] {
            plugin.on_message(Connection::from_id(id), Message::Text(String::new())).unwrap();
        }
        let mut other = PerConnection::<Counter>::default();
        other.load(plugin.save().unwrap()).unwrap();
        assert_eq!(other.peers, BTreeMap::from([(1, Counter { messages: 2 }), (2, Counter { messages: 1 })]));
        assert_eq!(other.shared, 3);
        assert!(other.load(b"{}".to_vec()).is_err());
    }
}
