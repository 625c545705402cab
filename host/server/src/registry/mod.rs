//! The registry: the connections of one route, as plugins and operators reach them.

mod about;
mod by_id;
mod cork;
mod outbox;
mod output;
mod peer;
mod shared;
mod topics;

use crate::{ConnectionLimits, Metrics, RouteConfig, compression::CompressOnce, framing::EncodedFrame};
pub(crate) use about::About;
use by_id::ById;
use bytes::Bytes;
pub(crate) use cork::Cork;
pub(crate) use output::Output;
pub(crate) use peer::{Noticed, Peer};
use shared::Shared;
use socklet_core::{
    BoxFuture, CloseFrame, CloseReason, ConnectionId, Connections, Heartbeat, MessageRef, Opcode, Principal, RouteName,
    SendError, SubscribeError, Tenant,
};
use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use topics::Topics;

/// The connections of one route of one tenant: nothing of any other can be reached through it.
#[derive(Debug)]
pub struct RouteConnections {
    tenant: Arc<Tenant>,
    name: RouteName,
    peers: RwLock<Peers>,
    held: AtomicBool,
    shared: Arc<Shared>,
    topics: Topics,
    // A std lock: held for a clone and never across an await.
    settings: RwLock<Settings>,
    /// How often the settings were changed.
    changes: AtomicU32,
}

#[derive(Debug, Default)]
struct Peers {
    by_id: ById<Arc<Peer>>,
    /// Nobody comes in any more, and whoever is here goes for this reason.
    retired: Option<CloseReason>,
}

/// What holds for all connections, those that are open included.
#[derive(Clone, Debug)]
struct Settings {
    limits: Arc<ConnectionLimits>,
    heartbeat: Heartbeat,
    /// The heartbeat as it is configured: a plugin may have changed it since.
    configured: Heartbeat,
}

/// Why a connection has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are as many as there may be.
    Full,
    /// The route is not served any more.
    Retired,
}

/// A connection's place in the registry, from before `on-upgrade` to after `on-close`.
#[derive(Debug)]
pub(crate) struct Registration {
    peer: Arc<Peer>,
    route: Arc<RouteConnections>,
}

// === impl RouteConnections ===

impl RouteConnections {
    /// The connections of a route of a tenant; none yet.
    pub fn new(route: &RouteConfig, tenant: Arc<Tenant>, metrics: &Metrics) -> Self {
        Self {
            peers: RwLock::default(),
            held: AtomicBool::new(false),
            shared: Arc::new(Shared::new(route, metrics)),
            topics: Topics::new(tenant.topics()),
            settings: RwLock::new(Settings {
                limits: Arc::new(route.limits.clone()),
                heartbeat: route.heartbeat.clone(),
                configured: route.heartbeat.clone(),
            }),
            changes: AtomicU32::new(0),
            name: route.name.clone(),
            tenant,
        }
    }

    /// Takes over what the route says from now on: its limits, and its heartbeat where it says something else than before. Open
    /// connections hear of it, too.
    pub fn configure(&self, route: &RouteConfig) {
        self.shared.set(route);
        self.change(|settings| {
            let Settings { limits, heartbeat, configured } = settings;
            let mut changed = **limits != route.limits;
            if changed {
                *limits = Arc::new(route.limits.clone());
            }
            if *configured != route.heartbeat {
                *configured = route.heartbeat.clone();
                changed |= *heartbeat != *configured;
                *heartbeat = configured.clone();
            }
            changed
        });
    }

    /// Takes over other limits, until the configuration says something else than before. Open connections hear of it, too.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.shared.set_limits(&limits);
        self.change(|settings| {
            let changed = *settings.limits != limits;
            if changed {
                settings.limits = Arc::new(limits);
            }
            changed
        });
    }

    /// Lets nobody in any more. Whoever is here, or was just about to come in.
    pub(crate) fn retire(&self, why: &CloseReason) -> Vec<Arc<Peer>> {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        peers.retired.get_or_insert_with(|| why.clone());
        peers.by_id.values().cloned().collect()
    }

    /// Lets nobody new in, or does so again.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// The route's name.
    pub(crate) fn name(&self) -> &RouteName {
        &self.name
    }

    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Takes a place for a connection.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: ConnectionId,
        principal: Option<Arc<Principal>>,
        cork: Arc<Cork>,
        about: About,
    ) -> Result<Registration, NoPlace> {
        let max = self.limits().max_connections.unwrap_or(usize::MAX);
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        if peers.retired.is_some() {
            return Err(NoPlace::Retired);
        }
        if peers.by_id.len() >= max {
            return Err(NoPlace::Full);
        }
        let peer = Arc::new(Peer::new(id, principal, self.shared.clone(), cork, about));
        peers.by_id.insert(id, peer.clone());
        Ok(Registration { peer, route: self.clone() })
    }

    /// What each connection may do.
    pub fn limits(&self) -> Arc<ConnectionLimits> {
        self.settings().limits.clone()
    }

    /// How often limits or heartbeat were changed. Whoever it concerns is woken by a change.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Everybody, also those who are opening or closing.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.read().by_id.values().cloned().collect()
    }

    /// Does something with everybody, also with those who are opening or closing; nothing that takes this lock again.
    pub(crate) fn each(&self, work: impl FnMut(&Arc<Peer>)) {
        self.read().by_id.values().for_each(work);
    }

    pub(crate) fn find(&self, id: ConnectionId) -> Option<Arc<Peer>> {
        self.read().by_id.get(&id).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Peers> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the settings; where `change` says that they are others now, every connection hears of it.
    fn change(&self, change: impl FnOnce(&mut Settings) -> bool) {
        {
            let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
            if !change(&mut settings) {
                return;
            }
            self.changes.fetch_add(1, Ordering::Release);
        }
        for peer in self.peers() {
            peer.look();
        }
    }

    /// Encodes once, queues for each. Returns how many accepted.
    fn fan_out<'a>(
        &self,
        peers: impl Iterator<Item = &'a Arc<Peer>>,
        message: MessageRef<'_>,
        but: Option<ConnectionId>,
    ) -> u64 {
        let frame = EncodedFrame::message(message);
        let once = self.shared.compresses().then(Arc::<CompressOnce>::default);
        let to = peers.filter(|peer| Some(peer.id()) != but);
        let accepted = to.filter(|peer| peer.send_shared(&frame, once.as_ref()).is_ok()).count() as u64;
        self.shared.metrics.messages_sent(message.opcode(), accepted);
        accepted
    }
}

impl Connections for RouteConnections {
    fn ids(&self) -> Vec<ConnectionId> {
        let mut ids: Vec<_> = self.read().by_id.values().filter(|peer| peer.is_open()).map(|peer| peer.id()).collect();
        ids.sort_unstable();
        ids
    }

    fn count(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        self.find(to).ok_or(SendError::Unknown)?.send(message)
    }

    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(self.read().by_id.values(), message, but)
    }

    fn send_frame(&self, to: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        self.find(to).ok_or(SendError::Unknown)?.send_frame(opcode, fin, payload)
    }

    fn flush(&self, connection: ConnectionId) -> BoxFuture<Result<(), SendError>> {
        let peer = self.find(connection);
        Box::pin(async move {
            match peer {
                Some(peer) => peer.flushed().await,
                None => Err(SendError::Unknown),
            }
        })
    }

    fn queued(&self, connection: ConnectionId) -> u64 {
        self.find(connection).map_or(0, |peer| peer.queued() as u64)
    }

    fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Result<(), SendError> {
        self.find(connection).ok_or(SendError::Unknown)?.close_open(CloseReason::Plugin(frame))
    }

    fn replace(&self, connection: ConnectionId) -> Result<(), SendError> {
        // The host's own wish: one that is only opening is closed, too.
        self.find(connection).ok_or(SendError::Unknown)?.close(CloseReason::Replaced);
        Ok(())
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
        let subscribed = self.topics.subscribe(&peer, topic);
        if subscribed == Err(SubscribeError::Quota) {
            self.shared.metrics.limit_hit("tenant_max_topics", Some((self.tenant.name(), &self.name)));
        }
        subscribed
    }

    fn unsubscribe(&self, connection: ConnectionId, topic: &str) {
        if let Some(peer) = self.find(connection) {
            self.topics.unsubscribe(&peer, topic);
        }
    }

    fn publish(&self, topic: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.topics.with_subscribers(topic, |peers| self.fan_out(peers, message, but))
    }

    fn subscribers(&self, topic: &str) -> Vec<ConnectionId> {
        let mut ids: Vec<_> = self
            .topics
            .with_subscribers(topic, |peers| peers.filter(|peer| peer.is_open()).map(|peer| peer.id()).collect());
        ids.sort_unstable();
        ids
    }

    fn heartbeat(&self) -> Heartbeat {
        self.settings().heartbeat.clone()
    }

    fn set_heartbeat(&self, heartbeat: Heartbeat) {
        self.change(|settings| {
            let changed = settings.heartbeat != heartbeat;
            settings.heartbeat = heartbeat;
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
        self.route.peers.write().unwrap_or_else(PoisonError::into_inner).by_id.remove(&self.peer.id());
    }
}
