//! A rate that many use together, each in its turn.

use crate::Rate;
use std::{
    sync::{
        OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

/// Allows a rate: a whole measure of it at once, then as much as time brings back. What is more can be taken in advance; whoever
/// does so waits for its turn, and the turns come one after the other (the generic cell rate algorithm). No lock, no clock.
#[derive(Debug)]
pub struct Throttle {
    /// The rate can change; see [`Throttle::rate`] for how it is read as a whole.
    count: AtomicU64,
    /// In nanoseconds; zero where there is no limit.
    per: AtomicU64,
    /// From when on time is counted.
    origin: OnceLock<Instant>,
    /// When all that was taken will have come back. All times are in nanoseconds.
    full_at: AtomicU64,
}

/// What a [`Throttle`] allows: a count, and the nanoseconds that bring it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowed {
    count: u64,
    per: u64,
}

// === impl Throttle ===

impl Throttle {
    /// No limit, until one is set.
    pub fn unlimited() -> Self {
        Self { count: AtomicU64::new(0), per: AtomicU64::new(0), origin: OnceLock::new(), full_at: AtomicU64::new(0) }
    }

    /// A whole measure of a rate.
    pub fn new(rate: Rate) -> Self {
        Self::of(rate.count.into(), rate.per)
    }

    /// So many in each second, where they may be more than a [`Rate`] can count: bytes.
    pub fn per_second(count: u64) -> Self {
        Self::of(count, Duration::from_secs(1))
    }

    /// So much time in each second, counted in nanoseconds; what was not used for a while is kept for `window`.
    pub fn time(in_each_second: Duration, window: Duration) -> Self {
        Self::of(nanos(in_each_second.mul_f64(window.as_secs_f64())), window)
    }

    fn of(count: u64, per: Duration) -> Self {
        let throttle = Self::unlimited();
        throttle.allow(Some(Allowed { count, per: nanos(per).max(1) }));
        throttle
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.per.load(Relaxed) != 0
    }

    /// From now on allows what another one does, beginning with a whole measure where that is something else. To be called by one
    /// thread at a time.
    pub fn become_like(&self, other: &Self) {
        let allowed = other.rate();
        if self.rate() != allowed {
            self.allow(allowed);
        }
    }

    fn allow(&self, allowed: Option<Allowed>) {
        // First none, then the count, then the time: whoever reads half of it sees that.
        self.per.store(0, SeqCst);
        if let Some(Allowed { count, per }) = allowed {
            self.count.store(count, SeqCst);
            self.full_at.store(0, SeqCst);
            self.per.store(per, SeqCst);
        }
    }

    /// What is allowed. None: everything, or it is just being changed.
    fn rate(&self) -> Option<Allowed> {
        let per = self.per.load(SeqCst);
        let count = self.count.load(SeqCst);
        (per != 0 && per == self.per.load(SeqCst)).then_some(Allowed { count, per })
    }

    /// Takes `n`: how long until they may be used, which is zero where there were as many. None, and nothing is taken, when
    /// that is longer than `patience`.
    pub fn take(&self, n: u64, now: Instant, patience: Duration) -> Option<Duration> {
        let Some(allowed) = self.rate() else { return Some(Duration::ZERO) };
        let now = nanos(now.saturating_duration_since(*self.origin.get_or_init(|| now)));
        let cost = allowed.cost(n);
        let mut wait = 0;
        let taken = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            let full_at = full_at.max(now).saturating_add(cost);
            wait = full_at.saturating_sub(now.saturating_add(allowed.per));
            (wait <= nanos(patience)).then_some(full_at)
        });
        taken.is_ok().then_some(Duration::from_nanos(wait))
    }
}

// === impl Allowed ===

impl Allowed {
    /// The time that brings `n` back, rounded up, so that rounding never gives more than the rate.
    fn cost(self, n: u64) -> u64 {
        let total = u128::from(n) * u128::from(self.per);
        match (n, self.count) {
            (0, _) => 0,
            (_, 0) => u64::MAX,
            (_, count) => u64::try_from(total.div_ceil(count.into())).unwrap_or(u64::MAX),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_measure_at_once_then_one_after_the_other() {
        let throttle = Throttle::new(Rate::per_second(4));
        let start = Instant::now();
        let take = |at: u64, patience: u64| throttle.take(1, start + ms(at), ms(patience));
        for _ in 0..4 {
            assert_eq!(take(0, 0), Some(NONE));
        }
        assert_eq!(take(0, 249), None, "and nothing was taken");
        assert_eq!([take(0, 1000), take(0, 1000), take(100, 1000)], [Some(ms(250)), Some(ms(500)), Some(ms(650))]);
        assert_eq!(take(500, 0), None, "three are ahead");
        assert_eq!([take(1000, 0), take(1000, 0)], [Some(NONE), None]);
        // After an idle time there is one measure, and no more.
        for _ in 0..4 {
            assert_eq!(take(60_000, 0), Some(NONE));
        }
        assert_eq!(take(60_000, 0), None);
        assert_eq!(take(0, 0), None, "an early time is no mistake");
    }

    #[test]
    fn time_is_a_rate_too() {
        let half_a_core = Throttle::time(ms(500), ms(100));
        let start = Instant::now();
        let take = |at: u64, used: u64| half_a_core.take(nanos(ms(used)), start + ms(at), Duration::MAX);
        assert_eq!([take(0, 50), take(0, 0), take(0, 10)], [Some(NONE), Some(NONE), Some(ms(20))]);
        assert_eq!([take(10, 0), take(20, 0)], [Some(ms(10)), Some(NONE)]);
    }

    #[test]
    fn more_than_a_measure_waits_for_the_rest() {
        let throttle = Throttle::per_second(1000);
        let start = Instant::now();
        assert_eq!(throttle.take(3000, start, ms(1999)), None);
        assert_eq!(throttle.take(3000, start, ms(2000)), Some(ms(2000)));
        assert_eq!(throttle.take(0, start, ms(2000)), Some(ms(2000)), "nothing is not ahead of those who wait");
        assert_eq!(throttle.take(1000, start + ms(3000), NONE), Some(NONE));
    }

    #[test]
    fn degenerate_rates() {
        let now = Instant::now();
        let never = Throttle::new(Rate::per_second(0));
        assert_eq!((never.take(1, now, ms(1 << 40)), never.take(0, now, NONE)), (None, Some(NONE)));
        let fast = Throttle::per_second(u64::MAX);
        assert_eq!(fast.take(u64::MAX, now, NONE), Some(NONE));
    }

    #[test]
    fn another_rate_begins_with_a_whole_measure() {
        let start = Instant::now();
        let throttle = Throttle::unlimited();
        assert!(!throttle.is_limited());
        assert_eq!(throttle.take(u64::MAX, start, NONE), Some(NONE));
        let slow = Throttle::new(Rate { count: 1, per: Duration::from_secs(3600) });
        throttle.become_like(&slow);
        assert!(throttle.is_limited());
        assert_eq!([throttle.take(1, start, NONE), throttle.take(1, start, NONE)], [Some(NONE), None]);
        throttle.become_like(&slow);
        assert_eq!(throttle.take(1, start, NONE), None, "the same rate goes on");
        throttle.become_like(&Throttle::new(Rate::per_second(2)));
        let take = || throttle.take(1, start, NONE);
        assert_eq!([take(), take(), take()], [Some(NONE), Some(NONE), None], "an old debt is forgotten");
        throttle.become_like(&Throttle::unlimited());
        assert_eq!(take(), Some(NONE));
    }

    /// A rate is never read in halves: two of one, or none.
    #[test]
    fn a_rate_changes_as_a_whole() {
        let (one, other) = (Throttle::of(3, Duration::from_nanos(7)), Throttle::of(5, Duration::from_nanos(11)));
        let throttle = Throttle::unlimited();
        std::thread::scope(|scope| {
            let readers = [(); 2].map(|()| {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        if let Some(Allowed { count, per }) = throttle.rate() {
                            assert!([(3, 7), (5, 11)].contains(&(count, per)), "{count} in {per}");
                        }
                    }
                })
            });
            while readers.iter().any(|reader| !reader.is_finished()) {
                throttle.become_like(&one);
                throttle.become_like(&other);
            }
        });
    }

    #[test]
    fn many_threads_get_the_rate_together() {
        let throttle = Throttle::new(Rate::per_second(1000));
        let start = Instant::now();
        let taken = || (0..1000).filter(|_| throttle.take(1, start, NONE).is_some()).count();
        let sum: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(taken)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(sum, 1000);
    }
}
