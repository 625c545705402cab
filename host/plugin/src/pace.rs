//! Remembers whether a route's calls were slow, and lets slow ones start on the guest threads at once.

use crate::meter::Place;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What a slow call adds; a quick one takes 1 away.
const SLOW: u32 = 16;
/// From here on calls start on the guest threads: after two slow calls in a row.
const LIMIT: u32 = 2 * SLOW;
/// No worse than this: after 100 quick calls everybody is trusted again.
const WORST: u32 = LIMIT + 96;

/// How slow the calls of a route were lately.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU32);

// === impl Pace ===

impl Pace {
    /// Where the next call begins.
    pub(crate) fn place(&self) -> Place {
        if self.0.load(Relaxed) >= LIMIT { Place::Guests } else { Place::Inline }
    }

    /// Notes a call. Waiting for the host is not slowness.
    pub(crate) fn note(&self, slow: bool) {
        // Routes that are never slow only read: the line stays shared between cores. Lost updates do not matter.
        let debt = self.0.load(Relaxed);
        if slow {
            self.0.store((debt + SLOW).min(WORST), Relaxed);
        } else if debt > 0 {
            self.0.store(debt - 1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_calls_start_elsewhere_until_they_behave() {
        let pace = Pace::default();
        pace.note(true);
        assert_eq!(pace.place(), Place::Inline);
        pace.note(true);
        assert_eq!(pace.place(), Place::Guests);
        for _ in 0..1000 {
            pace.note(true);
        }
        for _ in 0..96 {
            pace.note(false);
            assert_eq!(pace.place(), Place::Guests);
        }
        pace.note(false);
        assert_eq!(pace.place(), Place::Inline);
    }
}
