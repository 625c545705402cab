//! The listeners of a server, by name: each begins, gets other settings and stops while the others go on.

use crate::{Bind, BindError, Listener, ListenerConfig, Server, closing::Leaving, gate::Gate};
use socklet_core::{CloseReason, ListenerName};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

/// The listeners that accept.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<BTreeMap<ListenerName, Running>>);

#[derive(Debug)]
struct Running {
    listener: Arc<Listener>,
    gate: Arc<Gate>,
    /// Cancelled when nobody is to be accepted any more, with these settings.
    over: CancellationToken,
    accepting: JoinHandle<()>,
}

/// A listener that accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name.
    pub name: ListenerName,
    /// Where it listens, with the port that the system chose for port 0.
    pub local: Bind,
    /// WebSocket connections that came in through it.
    pub connections: usize,
}

/// A listener that was stopped.
#[must_use = "its connections are not closed by themselves"]
#[derive(Debug)]
pub struct Stopped {
    /// Those who came in through it.
    pub leaving: Leaving,
    accepting: JoinHandle<()>,
}

// === impl Server ===

impl Server {
    /// Binds a listener. Connections wait in the kernel until [`Server::serve`].
    ///
    /// It may be the next one of a listener that serves, under its name and with other settings, or come in the place of one of those
    /// that are about to go: then it takes over the socket where the address is the same, and no connection is lost in between.
    ///
    /// # Errors
    ///
    /// When the address is in use or not ours.
    #[expect(clippy::unused_async, reason = "later listeners will wait for their certificates")]
    pub async fn bind(&self, config: ListenerConfig, going: &[ListenerName]) -> Result<Listener, BindError> {
        let running = self.inner.listeners.lock();
        let (own, others) = (running.get(&config.name), going.iter().filter_map(|name| running.get(name)));
        let fixed = !matches!(&config.bind, Bind::Tcp(address) if address.port() == 0);
        let is_same = |other: &&Running| fixed && other.listener.local() == config.bind;
        let stays = |own: &&Running| *own.listener.configured() == config.bind;
        if let Some(other) = own.filter(stays).or_else(|| own.into_iter().chain(others.clone()).find(is_same)) {
            return Listener::with_socket_of(config, &other.listener);
        }
        let mut in_the_way = own.into_iter().chain(others).filter(|other| is_same_port(&other.listener, &config.bind));
        match Listener::bind(config.clone(), self.inner.threads.for_listener()) {
            Err(error) if error.is_in_use() => match in_the_way.next() {
                Some(other) => Listener::bind_beside(config, &other.listener),
                None => Err(error),
            },
            bound => bound,
        }
    }

    /// Accepts from a listener, in a task of its own, until the server drains or the listener is stopped. Each socket goes to the thread
    /// that serves the fewest. The listener that has the name takes its settings over: who came in before stays.
    pub fn serve(&self, listener: Listener) {
        let mut running = self.inner.listeners.lock();
        let name = listener.name().clone();
        let gate = running.get(&name).map_or_else(|| Gate::new(name.clone()), |before| before.gate.clone());
        let (listener, over) = (Arc::new(listener), CancellationToken::new());
        let accept = {
            let (server, listener, gate, over) = (self.clone(), listener.clone(), gate.clone(), over.clone());
            async move { server.accept(&listener, &gate, &over).await }
        };
        let accept = accept.instrument(info_span!("listener", %name));
        let accepting = self.inner.accepting.spawn_on(accept, listener.worker().runtime());
        let before = running.insert(name, Running { listener, gate, over, accepting });
        if let Some(before) = before {
            before.over.cancel();
        }
    }

    /// The listeners that accept, by name.
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        let status = |running: &Running| ListenerStatus {
            name: running.gate.name().clone(),
            local: running.listener.local(),
            connections: running.gate.connections(),
        };
        self.inner.listeners.lock().values().map(status).collect()
    }

    /// Stops a listener: nobody is accepted any more, requests that are being answered end, upgrades are refused. None when there is
    /// none of this name.
    pub fn stop(&self, name: &ListenerName) -> Option<Stopped> {
        let Running { gate, over, accepting, .. } = self.inner.listeners.lock().remove(name)?;
        over.cancel();
        gate.close();
        // In this order: whoever registers after that sees that it is closed.
        let through = self.inner.peers().into_iter().filter(|peer| Arc::ptr_eq(&peer.about().gate, &gate));
        Some(Stopped { leaving: Leaving::new(through, &CloseReason::ListenerStopped), accepting })
    }
}

// === impl Stopped ===

impl Stopped {
    /// Waits until the address is free again: a moment. What is left are the connections to close.
    pub async fn released(self) -> Leaving {
        // It does not panic, and is over anyway.
        let _ = self.accepting.await;
        self.leaving
    }
}

// === impl Listeners ===

impl Listeners {
    /// One of them, as those see it who came in.
    pub(crate) fn gate(&self, name: &ListenerName) -> Option<Arc<Gate>> {
        self.lock().get(name).map(|running| running.gate.clone())
    }

    /// The server drains: sockets are closed as soon as nobody accepts from them any more.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ListenerName, Running>> {
        // Held for a few system calls, and never across an await.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a listener may be in the way of an address that is not its own.
fn is_same_port(listener: &Listener, bind: &Bind) -> bool {
    match (listener.local(), bind) {
        (Bind::Tcp(local), Bind::Tcp(address)) => local.port() == address.port(),
        _ => false,
    }
}
