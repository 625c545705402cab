//! The deadlines of one connection: heartbeat, pong, send, close, expiry, idleness, age.

use crate::{ConnectionLimits, registry::Noticed};
use socklet_core::CloseReason;
use std::time::Duration;
use tokio::time::Instant;

/// No deadline is further away: timers have an end.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Everything that time does to a connection. How long things may take is told with each question: it is the same for all
/// connections of a route, and an idle one should be small.
#[derive(Debug)]
pub(super) struct Clock {
    /// How long idle before a ping.
    interval: Duration,
    started: Instant,
    /// The last byte in either direction.
    traffic: Instant,
    /// The last message in either direction.
    message: Instant,
    ping: Option<Ping>,
    /// Since when the socket does not take what it was given.
    stalled: Option<Instant>,
    /// By when the closing handshake must be over.
    close: Option<Instant>,
    /// When the principal expires, and when the connection is too old.
    expiry: Option<Instant>,
    lifetime: Option<Instant>,
}

#[derive(Debug)]
struct Ping {
    sent: Instant,
    deadline: Instant,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a ping.
    Ping,
    /// The closing handshake took too long.
    CloseTimeout,
    /// Close the connection.
    Close(CloseReason),
}

// === impl Clock ===

impl Clock {
    pub(super) fn new(limits: &ConnectionLimits, interval: Duration, expires_in: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            interval,
            started: now,
            traffic: now,
            message: now,
            ping: None,
            stalled: None,
            close: None,
            expiry: expires_in.map(|left| now + left.min(FAR)),
            lifetime: limits.max_lifetime.map(|age| now + age.min(FAR)),
        }
    }

    /// Since the 101.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The heartbeat's interval was changed.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The greatest age was changed. It counts from the beginning.
    pub(super) fn set_lifetime(&mut self, max: Option<Duration>) {
        self.lifetime = max.map(|age| self.started + age.min(FAR));
    }

    /// Something arrived. Whoever talks lives: a ping needs no pong any more.
    pub(super) fn received(&mut self, now: Instant) {
        self.traffic = now;
        if let Some(ping) = &mut self.ping {
            ping.deadline = now + FAR;
        }
    }

    /// What was written by whoever had something to write.
    pub(super) fn seen(&mut self, noticed: &Noticed) {
        self.traffic = self.traffic.max(noticed.wrote);
        self.message = self.message.max(noticed.sent);
        self.stalled = noticed.stalled;
    }

    /// Nothing can be written any more: nobody waits for that.
    pub(super) fn deaf(&mut self) {
        self.stalled = None;
    }

    /// A message was received.
    pub(super) fn message(&mut self, now: Instant) {
        self.message = now;
    }

    /// A ping goes out.
    pub(super) fn pinged(&mut self, limits: &ConnectionLimits) {
        let sent = Instant::now();
        self.traffic = sent;
        self.ping = Some(Ping { sent, deadline: sent + limits.pong_timeout });
    }

    /// A pong that carries the heartbeat's payload has come: the time that it took, when a ping was out.
    pub(super) fn ponged(&mut self) -> Option<Duration> {
        self.ping.take().map(|ping| ping.sent.elapsed())
    }

    /// The closing handshake begins; a second call changes nothing.
    pub(super) fn closing(&mut self, limits: &ConnectionLimits) {
        self.close.get_or_insert_with(|| Instant::now() + limits.close_timeout);
    }

    /// The socket is gone: nothing is due any more.
    pub(super) fn stop(&mut self) {
        self.close = Some(Instant::now() + FAR);
    }

    fn send_deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        self.stalled.map(|since| since + limits.send_timeout.min(FAR))
    }

    fn idle_deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        limits.idle_timeout.map(|timeout| self.message + timeout.min(FAR))
    }

    /// When something may be due next.
    pub(super) fn next(&self, limits: &ConnectionLimits) -> Instant {
        if let Some(close) = self.close {
            return close;
        }
        let heartbeat = self.traffic + self.interval;
        let pong = self.ping.as_ref().map(|ping| ping.deadline);
        let send = self.send_deadline(limits);
        let idle = self.idle_deadline(limits);
        [pong, send, self.expiry, self.lifetime, idle].into_iter().flatten().fold(heartbeat, Instant::min)
    }

    /// What is due now; call it again until nothing is. `reading` tells whether the socket was read all the time: a pong
    /// that we did not look for is not late.
    pub(super) fn due(&mut self, reading: bool, limits: &ConnectionLimits) -> Option<Due> {
        let now = Instant::now();
        if let Some(close) = self.close {
            return (now >= close).then_some(Due::CloseTimeout);
        }
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if passed(self.expiry) {
            return Some(Due::Close(CloseReason::Expired));
        }
        if passed(self.lifetime) {
            return Some(Due::Close(CloseReason::MaxLifetime));
        }
        if passed(self.send_deadline(limits)) {
            return Some(Due::Close(CloseReason::SendTimeout));
        }
        if passed(self.idle_deadline(limits)) {
            return Some(Due::Close(CloseReason::IdleTimeout));
        }
        if let Some(ping) = &mut self.ping
            && now >= ping.deadline
        {
            if reading {
                return Some(Due::Close(CloseReason::HeartbeatMissed));
            }
            ping.deadline = now + limits.pong_timeout;
        }
        if now >= self.traffic + self.interval {
            let waiting = self.ping.as_ref().is_some_and(|ping| ping.deadline < now + FAR / 2);
            if waiting || self.stalled.is_some() {
                // The ping that is out comes first, and so does output: behind it a ping would be late. Look again after
                // another interval.
                self.traffic = now;
                return None;
            }
            return Some(Due::Ping);
        }
        None
    }
}
