//! What all connections of a route have in common.

use super::outbox::OutboxLimits;
use crate::{Metrics, RouteConfig};
use std::sync::atomic::AtomicUsize;

#[derive(Debug)]
pub(super) struct Shared {
    /// How many connections are open.
    pub(super) open: AtomicUsize,
    pub(super) outbox: OutboxLimits,
    /// Whether messages may be compressed.
    pub(super) compresses: bool,
    pub(super) metrics: Metrics,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(route: &RouteConfig, metrics: &Metrics) -> Self {
        let limits = &route.limits;
        let outbox = OutboxLimits { max_bytes: limits.send_queue_max_bytes, policy: limits.slow_consumer };
        let compresses = route.compression.is_some();
        Self { open: AtomicUsize::new(0), outbox, compresses, metrics: metrics.clone() }
    }
}
