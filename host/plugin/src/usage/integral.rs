//! A level over time: how much of something there was, and for how long.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// A level that goes up and down, its highest point, and the area under it.
#[derive(Debug)]
pub(crate) struct Integral(Mutex<State>);

/// An integral at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) level: u64,
    /// Since somebody asked last and said that he did.
    pub(crate) peak: u64,
    /// The sum of level times seconds.
    pub(crate) seconds: f64,
}

#[derive(Debug)]
struct State {
    level: u64,
    peak: u64,
    /// Level times nanoseconds.
    area: u128,
    since: Instant,
}

// === impl Integral ===

impl Integral {
    pub(crate) fn rise(&self, by: u64) {
        let mut state = self.state();
        state.pass(Instant::now());
        state.level += by;
        state.peak = state.peak.max(state.level);
    }

    pub(crate) fn fall(&self, by: u64) {
        let mut state = self.state();
        state.pass(Instant::now());
        state.level = state.level.saturating_sub(by);
    }

    pub(crate) fn read(&self) -> Reading {
        let mut state = self.state();
        state.pass(Instant::now());
        let seconds = state.area as f64 / 1e9;
        Reading { level: state.level, peak: state.peak, seconds }
    }

    /// The next peak is one of the time from now on.
    pub(crate) fn forget_peak(&self) {
        let mut state = self.state();
        state.peak = state.level;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("adding does not panic")
    }
}

impl Default for Integral {
    fn default() -> Self {
        Self(Mutex::new(State { level: 0, peak: 0, area: 0, since: Instant::now() }))
    }
}

// === impl State ===

impl State {
    fn pass(&mut self, now: Instant) {
        let passed: Duration = now.saturating_duration_since(self.since);
        self.area += u128::from(self.level) * passed.as_nanos();
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_level_times_time() {
        let start = Instant::now();
        let mut state = State { level: 3, peak: 3, area: 0, since: start };
        state.pass(start + Duration::from_secs(2));
        state.level = 1;
        state.pass(start + Duration::from_secs(12));
        state.pass(start);
        assert_eq!(state.area, 16_000_000_000);
    }

    #[test]
    fn the_peak_is_of_the_time_since_it_was_forgotten() {
        let integral = Integral::default();
        integral.rise(10);
        integral.fall(7);
        assert_eq!((integral.read().level, integral.read().peak), (3, 10));
        integral.forget_peak();
        assert_eq!(integral.read().peak, 3);
        assert!(integral.read().seconds > 0.0);
    }
}
