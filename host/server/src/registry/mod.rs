//! The registry: the connections of one route, as plugins and operators reach them.

mod peer;
mod topics;

use crate::{Metrics, RouteConfig, framing::EncodedFrame};
use bytes::Bytes;
pub(crate) use peer::Peer;
use socklet_core::{
    BoxFuture, CloseFrame, CloseReason, ConnectionId, Connections, Heartbeat, MessageRef, Opcode, Principal, SendError,
    SubscribeError,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;
use topics::Topics;

/// The connections of one route of one tenant: nothing of any other can be reached through it.
#[derive(Debug)]
pub struct RouteConnections {
    peers: RwLock<HashMap<ConnectionId, Arc<Peer>>>,
    open: Arc<AtomicUsize>,
    topics: Topics,
    heartbeat: watch::Sender<Heartbeat>,
    max_queued: usize,
    max_connections: usize,
    metrics: Metrics,
}

/// A connection's place in the registry, from before `on-upgrade` to after `on-close`.
#[derive(Debug)]
pub(crate) struct Registration {
    peer: Arc<Peer>,
    route: Arc<RouteConnections>,
}

// === impl RouteConnections ===

impl RouteConnections {
    /// The connections of a route; none yet.
    pub fn new(route: &RouteConfig, metrics: &Metrics) -> Self {
        Self {
            peers: RwLock::default(),
            open: Arc::default(),
            topics: Topics::default(),
            heartbeat: watch::Sender::new(route.heartbeat.clone()),
            max_queued: route.limits.send_queue_max_bytes,
            max_connections: route.limits.max_connections.unwrap_or(usize::MAX),
            metrics: metrics.clone(),
        }
    }

    /// Takes a place for a connection. None when the route is full.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: ConnectionId,
        principal: Option<Arc<Principal>>,
    ) -> Option<Registration> {
        let mut peers = self.peers.write().expect("nothing panics while it holds the lock");
        if peers.len() >= self.max_connections {
            return None;
        }
        let peer = Arc::new(Peer::new(id, principal, self.max_queued, self.open.clone(), self.metrics.clone()));
        peers.insert(id, peer.clone());
        Some(Registration { peer, route: self.clone() })
    }

    /// Follows changes of the heartbeat.
    pub(crate) fn watch_heartbeat(&self) -> watch::Receiver<Heartbeat> {
        self.heartbeat.subscribe()
    }

    /// Everybody, also those who are opening or closing.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.read().expect("nothing panics while it holds the lock").values().cloned().collect()
    }

    fn find(&self, id: ConnectionId) -> Option<Arc<Peer>> {
        self.peers.read().expect("nothing panics while it holds the lock").get(&id).cloned()
    }

    /// Encodes once, queues for each. Returns how many accepted.
    fn fan_out(&self, peers: Vec<Arc<Peer>>, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        let frame = EncodedFrame::message(message);
        let opcode = message.opcode();
        let to = peers.iter().filter(|peer| Some(peer.id()) != but);
        to.filter(|peer| peer.send(opcode, frame.clone()).is_ok()).count() as u64
    }
}

impl Connections for RouteConnections {
    fn ids(&self) -> Vec<ConnectionId> {
        let mut ids: Vec<_> = self.peers().iter().filter(|peer| peer.is_open()).map(|peer| peer.id()).collect();
        ids.sort_unstable();
        ids
    }

    fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        let peer = self.find(to).ok_or(SendError::Unknown)?;
        peer.send(message.opcode(), EncodedFrame::message(message))
    }

    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(self.peers(), message, but)
    }

    fn send_frame(&self, to: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        self.find(to).ok_or(SendError::Unknown)?.send_frame(opcode, fin, payload)
    }

    fn flush(&self, connection: ConnectionId) -> BoxFuture<Result<(), SendError>> {
        let peer = self.find(connection);
        Box::pin(async move {
            match peer {
                Some(peer) => peer.flush().await,
                None => Err(SendError::Unknown),
            }
        })
    }

    fn queued(&self, connection: ConnectionId) -> u64 {
        self.find(connection).map_or(0, |peer| peer.queued())
    }

    fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Result<(), SendError> {
        self.find(connection).ok_or(SendError::Unknown)?.close_open(CloseReason::Plugin(frame))
    }

    fn principal_of(&self, connection: ConnectionId) -> Option<Arc<Principal>> {
        self.find(connection)?.principal().cloned()
    }

    fn attachment(&self, connection: ConnectionId) -> Bytes {
        self.find(connection).map(|peer| peer.attachment()).unwrap_or_default()
    }

    fn set_attachment(&self, connection: ConnectionId, value: Bytes) -> Result<(), SendError> {
        self.find(connection).ok_or(SendError::Unknown)?.set_attachment(value)
    }

    fn subscribe(&self, connection: ConnectionId, topic: &str) -> Result<(), SubscribeError> {
        let peer = self.find(connection).ok_or(SubscribeError::Unknown)?;
        self.topics.subscribe(&peer, topic)
    }

    fn unsubscribe(&self, connection: ConnectionId, topic: &str) {
        if let Some(peer) = self.find(connection) {
            self.topics.unsubscribe(&peer, topic);
        }
    }

    fn publish(&self, topic: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(self.topics.subscribers(topic), message, but)
    }

    fn subscribers(&self, topic: &str) -> Vec<ConnectionId> {
        let peers = self.topics.subscribers(topic);
        let mut ids: Vec<_> = peers.iter().filter(|peer| peer.is_open()).map(|peer| peer.id()).collect();
        ids.sort_unstable();
        ids
    }

    fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.borrow().clone()
    }

    fn set_heartbeat(&self, heartbeat: Heartbeat) {
        self.heartbeat.send_if_modified(|current| {
            let changed = *current != heartbeat;
            *current = heartbeat;
            changed
        });
    }
}

// === impl Registration ===

impl Registration {
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// It has ended: it cannot be sent to, and is in no topic. What was attached to it can still be read.
    pub(crate) fn end(&self) {
        self.peer.abandon();
        self.route.topics.leave(&self.peer);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.end();
        self.route.peers.write().expect("nothing panics while it holds the lock").remove(&self.peer.id());
    }
}
