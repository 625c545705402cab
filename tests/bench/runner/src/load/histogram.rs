//! Times in buckets of at most 1.6 %, so that counting one costs nothing.

const SUB_BITS: u32 = 6;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// How often something took how long.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

// === impl Histogram ===

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn add(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
    }

    /// The time that this part (0 to 1) of all times do not exceed; 0 without any.
    pub(crate) fn at(&self, part: f64) -> u64 {
        let rank = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return end(index);
            }
        }
        0
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let shift = (64 - SUB_BITS).saturating_sub(nanoseconds.leading_zeros() + 1);
    ((shift as usize) << SUB_BITS) + (nanoseconds >> shift) as usize
}

/// The last time of a bucket.
fn end(index: usize) -> u64 {
    let shift = (index >> SUB_BITS).saturating_sub(1) as u64;
    let mantissa = index as u64 - (shift << SUB_BITS);
    ((mantissa + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_its_bucket() {
        for time in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456_789, u64::from(u32::MAX), 1 << 50] {
            let end = end(bucket(time));
            assert!(end >= time && end - time <= time / 63, "{time}: {end}");
        }
    }

    #[test]
    fn percentiles_are_of_all_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.at(0.99), 0);
        (1..=1000).for_each(|time| histogram.add(time * 1000));
        for (part, right) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0)] {
            let time = histogram.at(part) as f64;
            assert!((time / right - 1.0).abs() < 0.02, "{part}: {time}");
        }
    }
}
