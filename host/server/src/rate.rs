//! How much one client may do in a time.

use socklet_core::Rate;
use std::time::Duration;
use tokio::time::Instant;

/// Allows a rate: a whole measure of it at once, then as much as time brings back.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    capacity: u64,
    per: Duration,
    available: u64,
    /// Up to when `available` was counted.
    counted: Instant,
}

const SECOND: Duration = Duration::from_secs(1);

// === impl TokenBucket ===

impl TokenBucket {
    /// A full bucket for a rate.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { capacity: rate.count.into(), per: rate.per, available: rate.count.into(), counted: now }
    }

    /// A full bucket for so many in each second, where they may be more than a [`Rate`] can count: bytes.
    pub(crate) fn per_second(count: u64, now: Instant) -> Self {
        Self { capacity: count, per: SECOND, available: count, counted: now }
    }

    /// Takes `n` if there are as many, and nothing otherwise. More than the rate's whole count is never there.
    pub(crate) fn take(&mut self, n: u64, now: Instant) -> bool {
        self.refill(now);
        match self.available.checked_sub(n) {
            Some(left) => {
                self.available = left;
                true
            }
            None => false,
        }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.counted);
        if elapsed >= self.per || self.available == self.capacity {
            self.available = self.capacity;
            self.counted = self.counted.max(now);
            return;
        }
        let (capacity, per) = (u128::from(self.capacity), self.per.as_nanos());
        let earned = elapsed.as_nanos() * capacity / per;
        if earned > 0 {
            // Less than the capacity, since less than `per` went by. Their time is rounded up, so that rounding never
            // gives more than the rate.
            self.available = (self.available + earned as u64).min(self.capacity);
            self.counted += Duration::from_nanos((earned * per).div_ceil(capacity) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// Takes at times in milliseconds; which were allowed.
    fn takes(mut bucket: TokenBucket, start: Instant, takes: &[(u64, u64)]) -> Vec<bool> {
        takes.iter().map(|&(at, n)| bucket.take(n, start + Duration::from_millis(at))).collect()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let bucket = || TokenBucket::new(Rate { count: 4, per: SECOND }, start);
        for (wanted, expected) in [
            (&[(0, 4), (0, 1)][..], &[true, false][..]),
            (&[(0, 5), (0, 4)], &[false, true]),
            (&[(0, 0), (0, 4), (0, 0)], &[true, true, true]),
            (&[(0, 4), (249, 1), (250, 1), (499, 1), (500, 1)], &[true, false, true, false, true]),
            (&[(0, 4), (999, 4), (1000, 4), (1000, 1)], &[true, false, true, false]),
            (&[(0, 2), (100_000, 4), (100_000, 1)], &[true, true, false]),
            (&[(5000, 4), (5200, 1), (5250, 1), (5250, 1)], &[true, false, true, false]),
            (&[(1000, 4), (0, 1), (1249, 1), (1250, 1)], &[true, false, false, true]),
        ] {
            assert_eq!(takes(bucket(), start, wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn many_small_steps_give_neither_more_nor_less_than_the_rate() {
        for (count, per) in [(3, SECOND), (7, MINUTE), (1000, HOUR), (u32::MAX, SECOND)] {
            let start = Instant::now();
            let mut bucket = TokenBucket::new(Rate { count, per }, start);
            assert!(bucket.take(count.into(), start));
            let mut taken = 0_u64;
            let steps = 10_007;
            for step in 1..=steps {
                let now = start + per * 5 / steps * step;
                let mut n = u64::from(count);
                while n > 0 {
                    if bucket.take(n, now) { taken += n } else { n /= 2 }
                }
            }
            let expected = u64::from(count) * 5;
            let low = expected - expected / 1000 - 1;
            assert!((low..=expected).contains(&taken), "{count}/{per:?}: {taken} of {expected}");
        }
    }

    #[test]
    fn bytes_may_be_more_than_a_rate_counts() {
        let start = Instant::now();
        let many = 1 << 40;
        assert_eq!(
            takes(TokenBucket::per_second(many, start), start, &[(0, many), (500, many / 2), (500, 1), (1500, many)]),
            [true, true, false, true]
        );
    }

    #[test]
    fn degenerate_rates() {
        let start = Instant::now();
        assert_eq!(takes(TokenBucket::new(Rate::per_second(0), start), start, &[(0, 1), (5000, 1)]), [false, false]);
        let always = Rate { count: 2, per: Duration::ZERO };
        assert_eq!(takes(TokenBucket::new(always, start), start, &[(0, 2), (0, 2), (0, 3)]), [true, true, false]);
    }
}
