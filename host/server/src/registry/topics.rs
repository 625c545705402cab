//! Named groups of connections, inside one route.

use super::{
    by_id::ById,
    peer::{MAX_TOPICS, Peer},
};
use socklet_core::{ConnectionId, SubscribeError};
use std::{
    collections::{HashMap, hash_map::Values},
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

/// The topics of a route. A topic is there as long as it has a subscriber.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: RwLock<ByName>,
}

type ByName = HashMap<Arc<str>, ById<Arc<Peer>>>;

// === impl Topics ===

impl Topics {
    /// Adds a connection to a topic.
    pub(super) fn subscribe(&self, peer: &Arc<Peer>, topic: &str) -> Result<(), SubscribeError> {
        if !matches!(topic.len(), 1..=255) {
            return Err(SubscribeError::Name);
        }
        let mut topics = self.write();
        peer.with_topics(|of_peer, open| {
            if !open {
                return Err(SubscribeError::Unknown);
            }
            if of_peer.iter().any(|name| **name == *topic) {
                return Ok(());
            }
            if of_peer.len() >= MAX_TOPICS {
                return Err(SubscribeError::TooMany);
            }
            let name = topics.get_key_value(topic).map_or_else(|| Arc::from(topic), |(name, _)| Arc::clone(name));
            topics.entry(Arc::clone(&name)).or_default().insert(peer.id(), Arc::clone(peer));
            of_peer.push(name);
            Ok(())
        })
    }

    /// Takes a connection out of a topic.
    pub(super) fn unsubscribe(&self, peer: &Peer, topic: &str) {
        let mut topics = self.write();
        peer.with_topics(|of_peer, _| of_peer.retain(|name| **name != *topic));
        remove(&mut topics, topic, peer.id());
    }

    /// Takes a connection out of all its topics.
    pub(super) fn leave(&self, peer: &Peer) {
        let mut topics = self.write();
        for name in peer.with_topics(|of_peer, _| std::mem::take(of_peer)) {
            remove(&mut topics, &name, peer.id());
        }
    }

    /// Does something with the subscribers of a topic; nothing that takes this lock again.
    pub(super) fn with_subscribers<T: Default>(
        &self,
        topic: &str,
        work: impl FnOnce(Values<'_, ConnectionId, Arc<Peer>>) -> T,
    ) -> T {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map(|peers| work(peers.values())).unwrap_or_default()
    }

    fn write(&self) -> RwLockWriteGuard<'_, ByName> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(topics: &mut ByName, topic: &str, id: ConnectionId) {
    if let Some(peers) = topics.get_mut(topic) {
        peers.remove(&id);
        if peers.is_empty() {
            topics.remove(topic);
        }
    }
}
