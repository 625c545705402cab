//! What all connections of a route have in common.

use super::outbox::OutboxLimits;
use crate::{ConnectionLimits, Metrics, RouteConfig, SlowConsumer};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};

#[derive(Debug)]
pub(super) struct Shared {
    /// How many connections are open.
    pub(super) open: AtomicUsize,
    /// The limits of the outbox, which can change.
    max_bytes: AtomicUsize,
    policy: AtomicU8,
    /// Whether messages may be compressed.
    compresses: AtomicBool,
    pub(super) metrics: Metrics,
}

/// Policies by the number that stands for each.
const POLICIES: [SlowConsumer; 3] = [SlowConsumer::Close, SlowConsumer::DropNewest, SlowConsumer::DropOldest];

// === impl Shared ===

impl Shared {
    pub(super) fn new(route: &RouteConfig, metrics: &Metrics) -> Self {
        let shared = Self {
            open: AtomicUsize::new(0),
            max_bytes: AtomicUsize::new(0),
            policy: AtomicU8::new(0),
            compresses: AtomicBool::new(false),
            metrics: metrics.clone(),
        };
        shared.set(route);
        shared
    }

    /// Takes over what a route says from now on.
    pub(super) fn set(&self, route: &RouteConfig) {
        self.set_limits(&route.limits);
        // Those who agreed on it before still do it.
        self.compresses.fetch_or(route.compression.is_some(), Relaxed);
    }

    pub(super) fn set_limits(&self, limits: &ConnectionLimits) {
        self.max_bytes.store(limits.send_queue_max_bytes, Relaxed);
        self.policy.store(limits.slow_consumer as u8, Relaxed);
    }

    pub(super) fn outbox(&self) -> OutboxLimits {
        let policy = POLICIES.get(usize::from(self.policy.load(Relaxed))).copied().unwrap_or_default();
        OutboxLimits { max_bytes: self.max_bytes.load(Relaxed), policy }
    }

    pub(super) fn compresses(&self) -> bool {
        self.compresses.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_its_number() {
        for (number, policy) in POLICIES.into_iter().enumerate() {
            assert_eq!(policy as usize, number);
        }
    }
}
