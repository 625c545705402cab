//! Connections that have to go while the server goes on: closed in batches, and cut off where they do not go.

use crate::{Drain, RouteConnections, Server, registry::Peer, server::Inner};
use socklet_core::CloseReason;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, Weak},
};
use tokio::time::{Instant, sleep_until};
use tracing::info;

/// Connections that have to go, each with its reason.
#[derive(Debug, Default)]
pub struct Leaving(Vec<(Weak<Peer>, CloseReason)>);

// === impl Leaving ===

impl Leaving {
    pub(crate) fn new(peers: impl IntoIterator<Item = Arc<Peer>>, why: &CloseReason) -> Self {
        Self(peers.into_iter().map(|peer| (Arc::downgrade(&peer), why.clone())).collect())
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of each close code.
    pub fn by_code(&self) -> BTreeMap<u16, usize> {
        let mut codes = BTreeMap::new();
        for (_, why) in &self.0 {
            *codes.entry(why.frame().code().get()).or_default() += 1;
        }
        codes
    }

    /// Adds others. Of one that is in both, the first reason counts.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }
}

// === impl Server ===

impl Server {
    /// Nobody comes in to a route any more that is not in the table of routes any more. Who is there has to go.
    pub fn retire(&self, connections: &Arc<RouteConnections>, why: &CloseReason) -> Leaving {
        let mut retired = self.inner.retired.lock().unwrap_or_else(PoisonError::into_inner);
        // Not at every time: there may be thousands.
        if retired.len().is_power_of_two() {
            retired.retain(|connections| connections.strong_count() > 0);
        }
        retired.push(Arc::downgrade(connections));
        drop(retired);
        Leaving::new(connections.retire(why), why)
    }

    /// Closes connections at the pace of a drain; those that are still there at its deadline are cut off. Returns at once.
    pub fn send_away(&self, leaving: Leaving, pace: Drain) {
        if leaving.is_empty() {
            return;
        }
        let server = self.inner.clone();
        self.inner.tasks.spawn(async move { send_away(&server, leaving, &pace).await });
    }
}

async fn send_away(server: &Inner, leaving: Leaving, pace: &Drain) {
    let connections = leaving.len();
    info!(connections, "closing connections");
    let closing = async {
        let deadline = Instant::now() + pace.timeout;
        let closed =
            pace.each_batch(&leaving.0, |(peer, why)| peer.upgrade().is_some_and(|peer| peer.close(why.clone())));
        let closed = closed.await;
        let mut left = leaving.0;
        // Those who answer are gone in a moment; nobody is told when.
        loop {
            left.retain(|(peer, _)| peer.strong_count() > 0);
            let now = Instant::now();
            if left.is_empty() || now >= deadline {
                break;
            }
            sleep_until(deadline.min(now + pace.interval.max(CHECK))).await;
        }
        let forced = left.iter().filter_map(|(peer, _)| peer.upgrade()).map(|peer| peer.cut()).count();
        info!(closed, forced, "closed connections");
    };
    // Where the node drains, everybody has to go, and somebody else looks after it.
    tokio::select! {
        () = closing => {}
        () = server.draining.cancelled() => {}
    }
}

/// How often to look whether connections are gone, at most.
const CHECK: std::time::Duration = std::time::Duration::from_millis(50);
