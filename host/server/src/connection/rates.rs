//! How fast one client may send.

use crate::{ConnectionLimits, rate::TokenBucket};
use tokio::time::Instant;

/// The buckets of one connection.
#[derive(Debug)]
pub(super) struct Rates {
    control: TokenBucket,
    messages: Option<TokenBucket>,
    bytes: Option<TokenBucket>,
}

impl Rates {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        let now = Instant::now();
        Self {
            control: TokenBucket::new(limits.control_frame_rate, now),
            messages: limits.messages_per_second.map(|rate| TokenBucket::new(rate, now)),
            bytes: limits.bytes_per_second.map(|bytes| TokenBucket::per_second(bytes, now)),
        }
    }

    /// Counts a ping or pong. The limit's name when it is exceeded.
    pub(super) fn control(&mut self) -> Result<(), &'static str> {
        if self.control.take(1, Instant::now()) { Ok(()) } else { Err("control_frame_rate") }
    }

    /// Counts a message. The limit's name when it is exceeded.
    pub(super) fn message(&mut self, bytes: usize) -> Result<(), &'static str> {
        if self.messages.is_none() && self.bytes.is_none() {
            return Ok(());
        }
        let now = Instant::now();
        if self.messages.as_mut().is_some_and(|bucket| !bucket.take(1, now)) {
            return Err("messages_per_second");
        }
        if self.bytes.as_mut().is_some_and(|bucket| !bucket.take(bytes as u64, now)) {
            return Err("bytes_per_second");
        }
        Ok(())
    }
}
