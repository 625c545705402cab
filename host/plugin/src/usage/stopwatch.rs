//! The CPU time of calls on their caller's thread, without a system call for each: the wall time, corrected by what is known of the
//! thread. Every 64th call is measured with the thread's own clock; how much of its wall time that was goes for all.

use crate::meter::thread_clock;
use std::{cell::Cell, time::Duration};

/// One call in so many is measured.
const EVERY: u32 = 64;
/// Measured wall time after which older measurements count half: 200 ms.
const MEMORY: u64 = 200_000_000;

/// Started before a call on its caller's thread.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    /// The thread's clock, where the call is measured.
    began: Option<u64>,
}

/// What a thread's measured calls took.
#[derive(Clone, Copy, Debug)]
struct Share {
    calls: u32,
    wall: u64,
    cpu: u64,
}

thread_local! {
    static SHARE: Cell<Share> = const { Cell::new(Share { calls: 0, wall: 0, cpu: 0 }) };
}

// === impl Stopwatch ===

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let measured = SHARE.with(|share| {
            let mut now = share.get();
            now.calls = now.calls.wrapping_add(1);
            share.set(now);
            now.calls % EVERY == 0
        });
        Self { began: measured.then(thread_clock) }
    }

    /// The CPU time of the call, which took so long on this thread.
    pub(crate) fn stop(self, wall: Duration) -> Duration {
        SHARE.with(|share| {
            let mut now = share.get();
            if let Some(began) = self.began {
                now.note(wall.as_nanos() as u64, thread_clock().saturating_sub(began));
                share.set(now);
            }
            now.of(wall)
        })
    }
}

// === impl Share ===

impl Share {
    fn note(&mut self, wall: u64, cpu: u64) {
        if self.wall > MEMORY {
            self.wall /= 2;
            self.cpu /= 2;
        }
        self.wall += wall;
        // Asking for the time takes some, too.
        self.cpu += cpu.min(wall);
    }

    fn of(&self, wall: Duration) -> Duration {
        if self.wall == self.cpu { wall } else { wall.mul_f64(self.cpu as f64 / self.wall as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_others_took_is_not_counted() {
        let mut share = Share { calls: 0, wall: 0, cpu: 0 };
        assert_eq!(share.of(Duration::from_micros(3)), Duration::from_micros(3));
        share.note(1_000, 1_200);
        assert_eq!(share.of(Duration::from_micros(3)), Duration::from_micros(3));
        share.note(3_000, 1_000);
        assert_eq!(share.of(Duration::from_micros(4)), Duration::from_micros(2));
        for _ in 0..1_000 {
            share.note(1_000_000, 1_000_000);
        }
        assert!(share.of(Duration::from_secs(1)) > Duration::from_millis(999));
    }
}
