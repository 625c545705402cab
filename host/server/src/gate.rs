//! A listener, as those see it who came in through it.

use socklet_core::ListenerName;
use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};
use tokio_util::sync::CancellationToken;

/// A listener, as those see it who came in through it. It stays the same while the listener gets other settings.
#[derive(Debug)]
pub(crate) struct Gate {
    name: ListenerName,
    closed: CancellationToken,
    held: AtomicBool,
    connections: AtomicUsize,
}

/// One WebSocket connection that came in through a gate, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Passed(Arc<Gate>);

// === impl Gate ===

impl Gate {
    pub(crate) fn new(name: ListenerName) -> Arc<Self> {
        Arc::new(Self {
            name,
            closed: CancellationToken::new(),
            held: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        })
    }

    pub(crate) fn name(&self) -> &ListenerName {
        &self.name
    }

    /// The listener was stopped: whoever came in through it is not served any more.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Lets nobody new in, or does so again.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, SeqCst);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(SeqCst)
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Counts a connection.
    pub(crate) fn pass(self: &Arc<Self>) -> Passed {
        self.connections.fetch_add(1, Relaxed);
        Passed(self.clone())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

// === impl Passed ===

impl Drop for Passed {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}
