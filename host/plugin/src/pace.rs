//! Remembers whether a route's calls were slow, and lets slow ones start on the guest threads at once.

use crate::meter::{Place, thread_clock};
use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// What a slow call adds; a quick one takes 1 away.
const SLOW: u32 = 16;
/// From here on calls start on the guest threads: after two slow calls in a row.
const LIMIT: u32 = 2 * SLOW;
/// No worse than this for calls that went away when they were slow: after 100 quick calls everybody is trusted again.
const WORST: u32 = LIMIT + 96;
/// A call that held its caller's thread for so long was not to be moved in time: a guest is not looked at while it fills its memory.
const LONG: Duration = Duration::from_millis(4);
/// What each millisecond of such a call adds, and no worse than this.
const HELD: u32 = 256;
const WORST_HELD: u32 = 100_000;
/// Calls whose CPU time is known exactly after one that may have held the thread for long.
const WATCHED: u32 = 1_000;

/// How slow the calls of a route were lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    debt: AtomicU32,
    watched: AtomicU32,
}

// === impl Pace ===

impl Pace {
    /// Where the next call begins.
    pub(crate) fn place(&self) -> Place {
        if self.debt.load(Relaxed) >= LIMIT { Place::Guests } else { Place::Inline }
    }

    /// Notes a call: a slow one when that turns out, for until it ends many more of its kind may begin. Waiting for the host is
    /// not slowness.
    pub(crate) fn note(&self, slow: bool) {
        // Routes that are never slow only read: the line stays shared between cores. Lost updates do not matter.
        let debt = self.debt.load(Relaxed);
        if slow {
            self.debt.store(debt.max((debt + SLOW).min(WORST)), Relaxed);
        } else if debt > 0 {
            self.debt.store(debt - 1, Relaxed);
        }
    }

    /// What [`Pace::held`] needs to know of a call that begins on its caller's thread: that thread's CPU clock, where it is worth
    /// the system call.
    pub(crate) fn watch(&self) -> Option<u64> {
        (self.watched.load(Relaxed) > 0).then(thread_clock)
    }

    /// Notes for how long a call was on its caller's thread, on that thread. A long time may be the guest's or that of others that
    /// ran meanwhile, so what follows is watched; only CPU time counts.
    pub(crate) fn held(&self, time: Duration, watch: Option<u64>) {
        if time < LONG {
            if watch.is_some() {
                self.watched.store(self.watched.load(Relaxed).saturating_sub(1), Relaxed);
            }
            return;
        }
        self.watched.store(WATCHED, Relaxed);
        let Some(began) = watch else { return };
        let used = Duration::from_nanos(thread_clock().saturating_sub(began));
        if used >= LONG {
            let millis = u32::try_from(used.as_millis()).unwrap_or(u32::MAX);
            let debt = self.debt.load(Relaxed).saturating_add(HELD.saturating_mul(millis));
            self.debt.store(debt.min(WORST_HELD), Relaxed);
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

    #[test]
    fn only_a_thread_that_computed_was_held() {
        let pace = Pace::default();
        assert_eq!(pace.watch(), None);
        pace.held(Duration::from_secs(1), None);
        let now = pace.watch().expect("it is watched now");
        // The thread waited, or others ran: hardly any of that second was its own.
        pace.held(Duration::from_secs(1), Some(now));
        assert_eq!(pace.place(), Place::Inline);
        // So that a clock of 137 ms ago is not before the thread.
        while thread_clock() < 150_000_000 {}
        pace.held(Duration::from_secs(1), pace.watch().map(|now| now.saturating_sub(137_000_000)));
        assert_eq!(pace.place(), Place::Guests);
        for _ in 0..30_000 {
            pace.note(false);
        }
        assert_eq!(pace.place(), Place::Guests);
        // A slow call that goes away does not make up for it.
        pace.note(true);
        assert_eq!(pace.place(), Place::Guests);
    }

    #[test]
    fn who_was_watched_for_long_is_not_any_more() {
        let pace = Pace::default();
        pace.held(LONG, None);
        for _ in 0..WATCHED {
            assert!(pace.watch().is_some());
            pace.held(Duration::ZERO, Some(0));
        }
        assert_eq!(pace.watch(), None);
    }
}
