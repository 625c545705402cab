//! What was sent during one wake-up of a thread leaves at its end: one write for each connection, and no task is woken.

use super::Peer;
use futures_util::task::AtomicWaker;
use socklet_core::EventId;
use std::{
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};
use tokio::time::Instant;
use tracing::error;

/// Connections that are written to in one go; then other tasks of the thread get their turn.
const IN_A_ROW: usize = 128;

/// The connections of one thread that have something to write. Filled from any thread.
#[derive(Debug, Default)]
pub(crate) struct Cork {
    peers: Mutex<Vec<Arc<Peer>>>,
    waker: AtomicWaker,
    closed: AtomicBool,
}

// === impl Cork ===

impl Cork {
    /// Has a connection written to. The connection takes care not to be in here twice.
    pub(super) fn add(&self, peer: Arc<Peer>) {
        let mut peers = self.lock();
        peers.push(peer);
        let first = peers.len() == 1;
        drop(peers);
        if first {
            self.waker.wake();
        }
    }

    /// Ends [`Cork::run`].
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Writes whatever is sent, until the end. A woken task comes behind those that were woken before it: so what all of them
    /// send to a connection is written at once.
    pub(crate) async fn run(&self) {
        let mut ready = Vec::new();
        let mut next = 0;
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.closed.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if next == ready.len() {
                ready.clear();
                next = 0;
                mem::swap(&mut ready, &mut *self.lock());
            }
            if ready.is_empty() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let end = ready.len().min(next + IN_A_ROW);
            for peer in &ready[next..end] {
                // A panic of ours ends one connection, and not the thread that serves all of them.
                if catch_unwind(AssertUnwindSafe(|| peer.flush(now))).is_err() {
                    let (event, id) = (EventId::next(), peer.id());
                    error!(%event, %id, "panicked while writing to a connection");
                    peer.give_up(event);
                }
            }
            next = end;
            if next == ready.len() {
                // Whoever is added meanwhile finds an empty list and wakes us.
                ready.clear();
                next = 0;
                if ready.capacity() > 16 * IN_A_ROW {
                    ready = Vec::new();
                }
            }
            if next < ready.len() || !self.lock().is_empty() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// A panic of somebody who had the lock ended one connection, and must not end the others.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
