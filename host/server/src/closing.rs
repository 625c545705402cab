//! Connections that have to go while the server goes on: closed in batches, and cut off where they do not go.

use crate::{Drain, DrainReport, RouteConnections, Server, drain::AFTER_FORCE, registry::Peer, server::Inner};
use socklet_core::CloseReason;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::info;

/// Connections that have to go, each with its reason.
#[derive(Debug, Default)]
pub struct Leaving(Vec<(Weak<Peer>, CloseReason)>);

/// How far it is with connections that have to go. Whoever looks at it waits for nobody.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    closed: AtomicUsize,
    left: AtomicUsize,
    forced: AtomicUsize,
}

// === impl Progress ===

impl Progress {
    /// Connections that had to go when it began.
    pub fn total(&self) -> usize {
        self.total.load(Relaxed)
    }

    /// Those that a closing handshake was begun with.
    pub fn closed(&self) -> usize {
        self.closed.load(Relaxed)
    }

    /// Those that are still there.
    pub fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// Those that were cut off.
    pub fn forced(&self) -> usize {
        self.forced.load(Relaxed)
    }

    /// Tells how far it is: for somebody else who closes connections, with all of the node.
    pub fn tell(&self, total: usize, left: usize) {
        self.total.store(total, Relaxed);
        self.left.store(left, Relaxed);
        self.closed.store(total.saturating_sub(left), Relaxed);
    }
}

fn still_there(left: &[(Weak<Peer>, CloseReason)]) -> usize {
    left.iter().filter(|(peer, _)| peer.strong_count() > 0).count()
}

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

    /// Closes them at the pace of a drain, and waits until they are gone; at its deadline those that are left are cut off.
    pub(crate) async fn go(self, pace: &Drain, progress: &Progress) -> DrainReport {
        let (mut left, deadline) = (self.0, Instant::now() + pace.timeout);
        progress.total.store(left.len(), Relaxed);
        progress.left.store(left.len(), Relaxed);
        let closing = pace.each_batch(&left, |(peer, why)| {
            let closed = peer.upgrade().is_some_and(|peer| peer.close(why.clone()));
            progress.closed.fetch_add(closed.into(), Relaxed);
            closed
        });
        // Thousands are looked at less often.
        let check = pace.interval.max(CHECK * u32::try_from(left.len() / 20_000 + 1).unwrap_or(u32::MAX));
        let mut looks = interval(check);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let closed = {
            let mut closing = std::pin::pin!(closing);
            loop {
                tokio::select! {
                    closed = &mut closing => break closed,
                    _ = looks.tick() => progress.left.store(still_there(&left), Relaxed),
                }
            }
        };
        // Those who answer are gone in a moment; nobody is told when.
        loop {
            left.retain(|(peer, _)| peer.strong_count() > 0);
            progress.left.store(left.len(), Relaxed);
            let now = Instant::now();
            if left.is_empty() || now >= deadline {
                break;
            }
            sleep_until(deadline.min(now + check)).await;
        }
        let forced = left.iter().filter_map(|(peer, _)| peer.upgrade()).map(|peer| peer.cut()).count();
        progress.forced.store(forced, Relaxed);
        let after = Instant::now() + AFTER_FORCE;
        while still_there(&left) > 0 && Instant::now() < after {
            sleep_until(after.min(Instant::now() + CHECK)).await;
        }
        progress.left.store(still_there(&left), Relaxed);
        DrainReport { closed, forced }
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
    info!(connections = leaving.len(), "closing connections");
    let progress = Progress::default();
    // Where the node drains, everybody has to go, and somebody else looks after it.
    tokio::select! {
        report = leaving.go(pace, &progress) => {
            info!(closed = report.closed, forced = report.forced, "closed connections");
        }
        () = server.draining.cancelled() => {}
    }
}

/// How often to look whether connections are gone.
const CHECK: Duration = Duration::from_millis(50);
