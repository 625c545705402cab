//! What time does to a connection: heartbeat, idleness, age, expiry.

use crate::limits::Limits;
use socklet_core::{CloseReason, Heartbeat};
use std::time::Duration;
use tokio::time::Instant;

/// No deadline is further away.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The deadlines of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) started: Instant,
    /// The last frame in either direction.
    pub(super) traffic: Instant,
    /// The last message in either direction.
    pub(super) message: Instant,
    /// When a ping went out that was not answered.
    pub(super) pinged: Option<Instant>,
    /// Since when the peer does not take what was sent.
    pub(super) stalled: Option<Instant>,
    /// When the principal expires.
    pub(super) expiry: Option<Instant>,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Close(CloseReason),
}

// === impl Deadlines ===

impl Deadlines {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { started: now, traffic: now, message: now, pinged: None, stalled: None, expiry: None }
    }

    pub(super) fn expires_in(&mut self, left: Option<Duration>) {
        self.expiry = left.map(|left| Instant::now() + left.min(FAR));
    }

    /// What is due next, and when.
    pub(super) fn next(&self, limits: &Limits, heartbeat: &Heartbeat) -> (Instant, Due) {
        let ping = match self.pinged {
            None => (self.traffic + heartbeat.interval(), Due::Ping),
            Some(pinged) => (pinged + limits.pong_timeout, Due::Close(CloseReason::HeartbeatMissed)),
        };
        let after = |since: Option<Instant>, time: Option<Duration>, reason| {
            Some((since? + time?.min(FAR), Due::Close(reason)))
        };
        // Of those at the same time the first wins.
        let others = [
            after(self.expiry, Some(Duration::ZERO), CloseReason::Expired),
            after(Some(self.started), limits.max_lifetime, CloseReason::MaxLifetime),
            after(self.stalled, Some(limits.send_timeout), CloseReason::SendTimeout),
            after(Some(self.message), limits.idle_timeout, CloseReason::IdleTimeout),
        ];
        let closes = others.into_iter().flatten();
        closes.chain([ping]).min_by_key(|(at, _)| *at).expect("there is always a ping")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_first_comes_first() {
        let (limits, heartbeat) = (Limits::default(), Heartbeat::default());
        let mut deadlines = Deadlines::new();
        let start = deadlines.started;
        assert_eq!(deadlines.next(&limits, &heartbeat), (start + heartbeat.interval(), Due::Ping));
        deadlines.pinged = Some(start);
        let missed = Due::Close(CloseReason::HeartbeatMissed);
        assert_eq!(deadlines.next(&limits, &heartbeat), (start + limits.pong_timeout, missed));
        deadlines.expires_in(Some(Duration::from_secs(1)));
        let expired = Due::Close(CloseReason::Expired);
        assert_eq!(deadlines.next(&limits, &heartbeat), (start + Duration::from_secs(1), expired));
    }
}
