//! How many instances of one version there are.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The instances of one version of a plugin, on all its routes.
#[derive(Debug, Default)]
pub(crate) struct Census {
    live: AtomicUsize,
    asleep: AtomicUsize,
}

// === impl Census ===

impl Census {
    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    pub(crate) fn asleep(&self) -> usize {
        self.asleep.load(Relaxed)
    }

    pub(crate) fn born(&self) {
        self.live.fetch_add(1, Relaxed);
    }

    pub(crate) fn gone(&self) {
        self.live.fetch_sub(1, Relaxed);
    }

    pub(crate) fn slept(&self) {
        self.asleep.fetch_add(1, Relaxed);
    }

    pub(crate) fn woke(&self) {
        self.asleep.fetch_sub(1, Relaxed);
    }
}
