//! What surrounds the plugin in a test: the connections of its route, in memory, and everything that happened.

mod clock;
mod connection;
mod connections;
mod drive;
mod senses;

pub(crate) use connection::{Arrived, Connection, Input};
pub(crate) use drive::{close_of_peer, serve};

use crate::{
    conversation::{Entry, Event},
    limits::Limits,
};
use senses::Clock;
use socklet_core::{CloseFrame, CloseReason, ConnectionId, EventId, Heartbeat};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The other side of the contract. One thread uses it; the contract with the plugin host wants it to be safe for more.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) limits: Limits,
    clock: Clock,
    seed: u64,
    // A std mutex: held for a look-up and never across an await.
    state: Mutex<State>,
    /// The last call that was going on is over.
    calm: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) conversation: Vec<Entry>,
    heartbeat: Heartbeat,
    /// Instances that there were.
    instances: u64,
    /// Connections that there were.
    connected: u64,
    /// Calls that are going on.
    calls: usize,
    /// Failures by the order in which they were seen: their own names differ from run to run.
    failures: HashMap<EventId, usize>,
}

/// A call that is going on.
pub(crate) struct Calling<'a>(&'a World);

// === impl World ===

impl World {
    /// To be made inside the runtime of the test: its time begins here.
    pub(crate) fn new(limits: Limits, heartbeat: Heartbeat, epoch: Duration, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            limits,
            clock: Clock { start: tokio::time::Instant::now(), epoch },
            seed,
            state: Mutex::new(State {
                connections: BTreeMap::new(),
                conversation: Vec::new(),
                heartbeat,
                instances: 0,
                connected: 0,
                calls: 0,
                failures: HashMap::new(),
            }),
            calm: Notify::new(),
        })
    }

    /// The time of the test. Inside its runtime.
    pub(crate) fn passed(&self) -> Duration {
        self.clock.passed()
    }

    /// What the wall clock says, since 1970.
    pub(crate) fn wall(&self) -> Duration {
        self.clock.wall()
    }

    /// Writes down that something happened.
    pub(crate) fn happened(&self, peer: Option<&str>, event: Event) {
        let at = self.passed();
        self.state().note(at, peer, event);
    }

    /// A connection that is not open yet, and its id: those of a test are counted.
    pub(crate) fn register(&self, name: &str) -> ConnectionId {
        let mut state = self.state();
        state.connected += 1;
        let id = ConnectionId::from(state.connected);
        state.connections.insert(id, Connection::new(name));
        id
    }

    /// Takes back what became no connection.
    pub(crate) fn forget(&self, id: ConnectionId) {
        self.state().connections.remove(&id);
    }

    /// The frame that a reason is told with. What names a failure in the log of a host is counted here.
    pub(crate) fn frame(&self, reason: &CloseReason) -> CloseFrame {
        match reason {
            CloseReason::PluginFailed(event) | CloseReason::Host(event) => {
                let frame = reason.frame();
                let reason = frame.reason().replace(&event.to_string(), &self.number(*event).to_string());
                CloseFrame::received(frame.code(), reason.into())
            }
            _ => reason.frame(),
        }
    }

    /// The number of a failure in this test.
    pub(crate) fn number(&self, failure: EventId) -> usize {
        let mut state = self.state();
        let next = state.failures.len() + 1;
        *state.failures.entry(failure).or_insert(next)
    }

    /// A call begins; it ends with the guard.
    pub(crate) fn calling(&self) -> Calling<'_> {
        self.state().calls += 1;
        Calling(self)
    }

    /// Waits until no call is going on. What those wait for may be that time passes.
    pub(crate) async fn calm(&self) {
        while self.state().calls > 0 {
            self.calm.notified().await;
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.state().calls == 0
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a connection that is there, and has its task look.
    pub(crate) fn with<T>(&self, id: ConnectionId, work: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let mut state = self.state();
        let connection = state.connections.get_mut(&id)?;
        let done = work(connection);
        connection.wake.notify_one();
        Some(done)
    }
}

// === impl State ===

impl State {
    pub(crate) fn note(&mut self, at: Duration, peer: Option<&str>, event: Event) {
        self.conversation.push(Entry { at, peer: peer.map(str::to_owned), event });
    }
}

// === impl Calling ===

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls -= 1;
        if state.calls == 0 {
            self.0.calm.notify_one();
        }
    }
}
