//! How many things may happen in a time.

use std::{fmt, str::FromStr, time::Duration};
use tokio::time::Instant;

/// So many in that time; as text `100/s`, `60/m`, `1000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many. Nothing at all is allowed when it is 0, which no text stands for.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// Not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate: write a number from 1 to 4294967295 and one of /s, /m and /h, such as \"100/s\"")]
pub struct InvalidRate(String);

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
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

// === impl Rate ===

impl Rate {
    /// So many in each second.
    pub const fn per_second(count: u32) -> Self {
        Self { count, per: SECOND }
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(s: &str) -> Result<Self, InvalidRate> {
        let parse = || {
            let (count, per) = s.split_once('/')?;
            let per = match per {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => HOUR,
                _ => return None,
            };
            // u32's own parser takes a plus sign, too.
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            let count = count.parse().ok().filter(|count| digits && *count > 0)?;
            Some(Self { count, per })
        };
        parse().ok_or_else(|| InvalidRate(s.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per {
            SECOND => write!(f, "{}/s", self.count),
            MINUTE => write!(f, "{}/m", self.count),
            HOUR => write!(f, "{}/h", self.count),
            per => write!(f, "{}/{per:?}", self.count),
        }
    }
}

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

    #[test]
    fn only_rates_parse_and_print_as_they_were() {
        for (text, count, per) in
            [("100/s", 100, SECOND), ("60/m", 60, MINUTE), ("1000/h", 1000, HOUR), ("4294967295/s", u32::MAX, SECOND)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate, Rate { count, per });
            assert_eq!(rate.to_string(), text);
        }
        for text in [
            "", "/", "100", "100/", "/s", "0/s", "00/m", "-1/s", "+1/s", "1.5/s", "1/d", "1/S", "1 / s", "1/s ", " 1/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate(text.to_owned())));
        }
        assert!("4294967296/s".parse::<Rate>().is_err());
        let message = "0/s".parse::<Rate>().unwrap_err().to_string();
        assert!(message.contains("\"0/s\"") && message.contains("\"100/s\""), "{message}");
        assert_eq!(Rate { count: 3, per: Duration::from_millis(250) }.to_string(), "3/250ms");
    }

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
