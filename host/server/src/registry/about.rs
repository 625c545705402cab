//! What is known of a connection from its beginning, for operators.

use crate::gate::Gate;
use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

/// What is known of a connection from its beginning.
#[derive(Debug)]
pub(crate) struct About {
    /// Where it came in.
    pub(crate) gate: Arc<Gate>,
    /// None on a UNIX socket.
    pub(crate) client: Option<SocketAddr>,
    /// When it was let in, by the wall clock.
    pub(crate) since: SystemTime,
    /// Known once its plugin has accepted it.
    pub(crate) subprotocol: OnceLock<Box<str>>,
}

/// What has arrived on a connection. Only its task counts, so that counting is no more than a store.
#[derive(Debug, Default)]
pub(crate) struct Received {
    messages: AtomicU64,
    bytes: AtomicU64,
}

// === impl About ===

impl About {
    pub(crate) fn new(gate: Arc<Gate>, client: Option<SocketAddr>) -> Self {
        Self { gate, client, since: SystemTime::now(), subprotocol: OnceLock::new() }
    }
}

// === impl Received ===

impl Received {
    /// Counts a message with so many bytes of payload.
    pub(crate) fn count(&self, bytes: usize) {
        self.messages.store(self.messages() + 1, Relaxed);
        self.bytes.store(self.bytes() + bytes as u64, Relaxed);
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}
