//! What a connection may do, as its route has it now.

use super::{drive::Drive, rates::Rates};
use crate::{ConnectionLimits, framing::FrameLimits};
use socklet_core::Connections;
use std::sync::Arc;

// === impl Drive ===

impl Drive {
    /// Takes over what has changed since the last look.
    pub(super) fn follow_settings(&mut self) {
        let connections = &self.route.connections;
        let changes = connections.changes();
        if self.changes == changes {
            return;
        }
        self.changes = changes;
        self.clock.set_interval(connections.heartbeat().interval());
        let limits = connections.limits();
        if Arc::ptr_eq(&limits, &self.limits) {
            return;
        }
        self.decoder.set_limits(frame_limits(&limits), limits.max_inflated_ratio);
        self.clock.set_lifetime(limits.max_lifetime);
        if rates(&limits) != rates(&self.limits) {
            self.rates = Rates::default();
        }
        self.limits = limits;
    }
}

/// What a decoder has to know.
pub(super) fn frame_limits(limits: &ConnectionLimits) -> FrameLimits {
    FrameLimits {
        max_frame: limits.max_frame_size,
        max_message: limits.max_message_size,
        max_fragments: limits.max_fragments,
    }
}

fn rates(limits: &ConnectionLimits) -> impl PartialEq + use<> {
    (limits.control_frame_rate, limits.messages_per_second, limits.bytes_per_second)
}
