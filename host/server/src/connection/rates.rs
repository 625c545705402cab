//! How fast one client may send.

use crate::{ConnectionLimits, rate::TokenBucket};
use socklet_core::Rate;
use tokio::time::Instant;

/// The buckets of one connection; each is there once it is needed: most connections never send faster than they may.
#[derive(Debug, Default)]
pub(super) struct Rates(Option<Box<Buckets>>);

#[derive(Debug)]
struct Buckets {
    control: TokenBucket,
    messages: Option<TokenBucket>,
    bytes: Option<TokenBucket>,
}

// === impl Rates ===

impl Rates {
    /// Counts a ping or pong. The limit's name when it is exceeded.
    pub(super) fn control(&mut self, limits: &ConnectionLimits, now: Instant) -> Result<(), &'static str> {
        let taken = self.buckets(limits, now).control.take(1, now);
        if taken { Ok(()) } else { Err("control_frame_rate") }
    }

    /// Counts a message. The limit's name when it is exceeded.
    pub(super) fn message(
        &mut self,
        bytes: usize,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<(), &'static str> {
        if limits.messages_per_second.is_none() && limits.bytes_per_second.is_none() {
            return Ok(());
        }
        let buckets = self.buckets(limits, now);
        if buckets.messages.as_mut().is_some_and(|bucket| !bucket.take(1, now)) {
            return Err("messages_per_second");
        }
        if buckets.bytes.as_mut().is_some_and(|bucket| !bucket.take(bytes as u64, now)) {
            return Err("bytes_per_second");
        }
        Ok(())
    }

    fn buckets(&mut self, limits: &ConnectionLimits, now: Instant) -> &mut Buckets {
        let bucket = |rate: Rate| TokenBucket::new(rate, now);
        self.0.get_or_insert_with(|| {
            Box::new(Buckets {
                control: bucket(limits.control_frame_rate),
                messages: limits.messages_per_second.map(bucket),
                bytes: limits.bytes_per_second.map(|bytes| TokenBucket::per_second(bytes, now)),
            })
        })
    }
}
