//! How long calls took. Counting takes no lock, and threads that call much do not share a cache line.

use crate::metrics::Hook;
use std::{
    array,
    cell::Cell,
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets: a microsecond, and four times as much each; the last one has none.
const BUCKETS: usize = 14;
const HOOKS: usize = Hook::ALL.len();
/// Threads that count apart. More than these share.
pub(crate) const SHARDS: usize = 16;

/// Calls by duration.
pub(crate) struct Durations([Shard; SHARDS]);

/// What was counted of one hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Calls in each bucket.
    pub(crate) buckets: [u64; BUCKETS],
    /// The time of all of them.
    pub(crate) nanos: u64,
}

#[derive(Default)]
#[repr(align(128))]
struct Shard([Cells; HOOKS]);

#[derive(Default)]
struct Cells {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

// === impl Durations ===

impl Durations {
    pub(crate) fn observe(&self, hook: Hook, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let cells = &self.0[shard()].0[hook as usize];
        cells.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        cells.nanos.fetch_add(nanos, Relaxed);
    }

    pub(crate) fn row(&self, hook: Hook) -> Row {
        let mut row = Row::default();
        for shard in &self.0 {
            let cells = &shard.0[hook as usize];
            for (sum, bucket) in row.buckets.iter_mut().zip(&cells.buckets) {
                *sum += bucket.load(Relaxed);
            }
            row.nanos += cells.nanos.load(Relaxed);
        }
        row
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self(array::from_fn(|_| Shard::default()))
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Hook::ALL.map(|hook| (hook.as_str(), self.row(hook)))).finish()
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Calls with their upper bound in seconds, as the exposition format wants them.
    pub(crate) fn bounded(&self) -> [(f64, u64); BUCKETS] {
        array::from_fn(|index| {
            let bound = if index + 1 < BUCKETS { 1e-6 * 4f64.powi(index as i32) } else { f64::MAX };
            (bound, self.buckets[index])
        })
    }

    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket;
        }
        self.nanos += other.nanos;
        self
    }
}

/// The first bucket whose bound is not less: half the bits of the microseconds, rounded up.
fn bucket(nanos: u64) -> usize {
    let micros = nanos.saturating_sub(1) / 1_000;
    ((u64::BITS - micros.leading_zeros()).div_ceil(2) as usize).min(BUCKETS - 1)
}

/// Where the calling thread counts.
pub(crate) fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        shard.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_buckets() {
        assert_eq!(bucket(0), 0);
        let bounds = Row::default().bounded();
        for (index, (bound, _)) in bounds[..BUCKETS - 1].iter().enumerate() {
            let nanos = (bound * 1e9).round() as u64;
            assert_eq!((bucket(nanos), bucket(nanos + 1)), (index, index + 1));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn threads_count_together() {
        let durations = Durations::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| durations.observe(Hook::Message, Duration::from_micros(3)));
            }
        });
        let row = durations.row(Hook::Message);
        assert_eq!((row.count(), row.buckets[1], row.nanos), (32, 32, 96_000));
        assert_eq!(durations.row(Hook::Open), Row::default());
    }
}
