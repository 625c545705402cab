//! A rate that many use together, each in its turn.

use crate::Rate;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Allows a rate: a whole measure of it at once, then as much as time brings back. What is more can be taken in advance; whoever
/// does so waits for its turn, and the turns come one after the other (the generic cell rate algorithm). No lock, no clock.
#[derive(Debug)]
pub struct Throttle {
    count: u64,
    per: u64,
    /// From when on time is counted.
    origin: OnceLock<Instant>,
    /// When all that was taken will have come back. All times are in nanoseconds.
    full_at: AtomicU64,
}

// === impl Throttle ===

impl Throttle {
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
        Self { count, per: nanos(per), origin: OnceLock::new(), full_at: AtomicU64::new(0) }
    }

    /// Takes `n`: how long until they may be used, which is zero where there were as many. None, and nothing is taken, when
    /// that is longer than `patience`.
    pub fn take(&self, n: u64, now: Instant, patience: Duration) -> Option<Duration> {
        let now = nanos(now.saturating_duration_since(*self.origin.get_or_init(|| now)));
        let cost = self.cost(n);
        let mut wait = 0;
        let taken = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            let full_at = full_at.max(now).saturating_add(cost);
            wait = full_at.saturating_sub(now.saturating_add(self.per));
            (wait <= nanos(patience)).then_some(full_at)
        });
        taken.is_ok().then_some(Duration::from_nanos(wait))
    }

    /// The time that brings `n` back, rounded up, so that rounding never gives more than the rate.
    fn cost(&self, n: u64) -> u64 {
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
