//! Named groups of connections, inside one route.

use super::{
    by_id::ById,
    peer::{MAX_TOPICS, Peer},
};
use socklet_core::{ConnectionId, SubscribeError, Taken, Tally};
use std::{
    collections::{
        HashMap,
        hash_map::{Entry, Values},
    },
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

/// The topics of a route. A topic is there as long as it has a subscriber.
#[derive(Debug)]
pub(super) struct Topics {
    topics: RwLock<ByName>,
    /// Those of the tenant.
    tally: Tally,
}

type ByName = HashMap<Arc<str>, Topic>;

#[derive(Debug)]
struct Topic {
    subscribers: ById<Arc<Peer>>,
    _counted: Taken,
}

// === impl Topics ===

impl Topics {
    /// No topics yet, to be counted among these.
    pub(super) fn new(tally: &Tally) -> Self {
        Self { topics: RwLock::default(), tally: tally.clone() }
    }

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
            let topic = match topics.entry(Arc::clone(&name)) {
                Entry::Occupied(topic) => topic.into_mut(),
                Entry::Vacant(vacant) => {
                    let counted = self.tally.take(1).ok_or(SubscribeError::Quota)?;
                    vacant.insert(Topic { subscribers: ById::default(), _counted: counted })
                }
            };
            topic.subscribers.insert(peer.id(), Arc::clone(peer));
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
        topics.get(topic).map(|topic| work(topic.subscribers.values())).unwrap_or_default()
    }

    fn write(&self) -> RwLockWriteGuard<'_, ByName> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(topics: &mut ByName, name: &str, id: ConnectionId) {
    if let Some(topic) = topics.get_mut(name) {
        topic.subscribers.remove(&id);
        if topic.subscribers.is_empty() {
            topics.remove(name);
        }
    }
}
