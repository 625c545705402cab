//! Drain: everybody off this node, at a pace, by a deadline.

use crate::server::Inner;
use socklet_core::CloseFrame;
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How to drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long whoever drains waits before it begins, once it has said that it is going to: load balancers need a moment to look
    /// elsewhere. Default 0.
    pub delay: Duration,
    /// By when everybody must be gone; then sockets are cut off. Default 30 s.
    pub timeout: Duration,
    /// How many connections are closed at a time. Default 500.
    pub batch: usize,
    /// How long between batches; less where half of the timeout would not be enough for all of them. Default 100 ms.
    pub interval: Duration,
    /// By how much a pause between two batches may differ, in all; at most by as much as it is long. Default 50 ms.
    pub jitter: Duration,
    /// What connections are closed with. Default 1012, `server restarting`.
    pub close: CloseFrame,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were closed.
    pub closed: usize,
    /// Sockets that had to be cut off at the deadline.
    pub forced: usize,
}

/// How long the last `on-close` calls may take once the sockets were cut off.
pub(crate) const AFTER_FORCE: Duration = Duration::from_secs(5);

impl Default for Drain {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            timeout: Duration::from_secs(30),
            batch: 500,
            interval: Duration::from_millis(100),
            jitter: Duration::from_millis(50),
            close: CloseFrame::restarting(),
        }
    }
}

impl Drain {
    /// Does something with all of them, batch after batch, at this pace; returns how many of them it was done to.
    pub(crate) async fn each_batch<T>(&self, all: &[T], mut work: impl FnMut(&T) -> bool) -> usize {
        let batches = all.chunks(self.batch.max(1));
        // The last batch needs time for its closing handshakes, too.
        let interval = self.interval.min(self.timeout / 2 / u32::try_from(batches.len().max(1)).unwrap_or(u32::MAX));
        let jitter = self.jitter.min(interval);
        let mut done = 0;
        let mut next = Instant::now();
        for batch in batches {
            sleep_until(next).await;
            done += batch.iter().filter(|one| work(one)).count();
            next += interval - jitter / 2 + jitter.mul_f64(random());
        }
        done
    }
}

pub(crate) async fn drain(server: &Inner, plan: Drain) -> DrainReport {
    tokio::time::sleep(plan.delay).await;
    let deadline = Instant::now() + plan.timeout;
    let _ = server.farewell.set(plan.close.clone()); // whoever drains a second time has nothing new to say
    server.draining.cancel();
    server.accepting.close();
    server.listeners.forget();
    server.tasks.close();
    let closing = close_all(server, &plan);
    let mut closed = 0;
    let gone = async {
        closed = closing.await;
        server.accepting.wait().await;
        server.tasks.wait().await;
    };
    if timeout_at(deadline, gone).await.is_ok() {
        return DrainReport { closed, forced: 0 };
    }
    let forced = server.tasks.len();
    server.force.cancel();
    server.peers().iter().for_each(|peer| peer.cut());
    let _ = tokio::time::timeout(AFTER_FORCE, server.tasks.wait()).await; // the report tells how many were left
    DrainReport { closed, forced }
}

/// Closes everybody in batches; returns how many. Connections that open meanwhile see for themselves that the node drains.
async fn close_all(server: &Inner, plan: &Drain) -> usize {
    let farewell = server.farewell();
    plan.each_batch(&server.peers(), |peer| peer.close(farewell.clone())).await
}

/// A number from 0 to 1 that nobody can tell before. Every state has keys of its own.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
