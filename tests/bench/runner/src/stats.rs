//! Medians, and how sure they are.

use serde::{Deserialize, Serialize};

/// Resamplings of an interval.
const RESAMPLES: usize = 2000;

/// A median with its 90 % bootstrap interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Interval {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

// === impl Interval ===

impl Interval {
    /// Of values that there is at least one of. The same values give the same interval.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut sample = vec![0.0; values.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                sample.iter_mut().for_each(|value| *value = values[random.below(values.len())]);
                median(&sample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        Self { median: median(values), low: medians[RESAMPLES / 20], high: medians[RESAMPLES - 1 - RESAMPLES / 20] }
    }

    /// In another unit.
    pub(crate) fn scaled(self, by: f64) -> Self {
        Self { median: self.median * by, low: self.low * by, high: self.high * by }
    }
}

/// The median; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

/// The quotients of two series, round by round.
pub(crate) fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// xorshift64*: good enough to draw samples.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_interval_holds_the_median_and_not_the_outlier() {
        let interval = Interval::of(&[1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.98, 9.0]);
        assert_eq!(interval.median, 1.0);
        assert!(
            interval.low >= 0.9 && interval.low < 1.0 && interval.high > 1.0 && interval.high < 9.0,
            "{interval:?}"
        );
        assert_eq!(Interval::of(&[2.0]), Interval { median: 2.0, low: 2.0, high: 2.0 });
    }

    #[test]
    fn ratios_are_within_a_round() {
        assert_eq!(ratios(&[1.0, 4.0], &[2.0, 2.0]), [0.5, 2.0]);
    }
}
