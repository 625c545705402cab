//! Keeps new connections from a route whose instances keep dying: a circuit breaker.

use crate::config::DeathRate;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long new connections are refused the first time; each time that a trial fails, twice as long.
const FIRST_REST: Duration = Duration::from_secs(1);
/// No longer than this.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// New connections that are let in for a trial, which lasts as long as the rest before it.
const TRIALS: u32 = 3;

/// The breaker of a route.
pub(crate) struct Breaker {
    /// Nothing is refused: who asks needs no lock.
    closed: AtomicBool,
    // A std mutex: held for a look and never across an await.
    state: Mutex<State>,
    /// Routes whose breaker is not closed.
    open: Gauge,
}

#[derive(Debug)]
struct State {
    /// None: it never opens.
    limit: Option<DeathRate>,
    phase: Phase,
    /// The last deaths, no more than it takes to open.
    deaths: VecDeque<Instant>,
    /// How long it rests, or rested the last time.
    rest: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Everybody is let in.
    Closed,
    /// Nobody is, until then.
    Open(Instant),
    /// A few are, since then, to see what becomes of them.
    Trial(Instant, u32),
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(limit: Option<DeathRate>, open: Gauge) -> Self {
        let state = State { limit, phase: Phase::Closed, deaths: VecDeque::new(), rest: FIRST_REST };
        Self { closed: AtomicBool::new(true), state: Mutex::new(state), open }
    }

    /// Whether a new connection may come in; if not, when to try again.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Duration> {
        if self.closed.load(Relaxed) {
            return Ok(());
        }
        let mut state = self.state();
        match state.phase {
            Phase::Closed => Ok(()),
            Phase::Open(until) if now < until => Err(until - now),
            Phase::Open(_) => {
                state.phase = Phase::Trial(now, 1);
                Ok(())
            }
            Phase::Trial(since, _) if now >= since + state.rest => {
                state.phase = Phase::Closed;
                state.rest = FIRST_REST;
                state.deaths.clear();
                self.closed.store(true, Relaxed);
                self.open.dec();
                Ok(())
            }
            Phase::Trial(since, admitted) if admitted < TRIALS => {
                state.phase = Phase::Trial(since, admitted + 1);
                Ok(())
            }
            Phase::Trial(since, _) => Err(since + state.rest - now),
        }
    }

    /// Whether those that come in now are a trial.
    pub(crate) fn is_trying(&self) -> bool {
        !self.closed.load(Relaxed) && matches!(self.state().phase, Phase::Trial(..))
    }

    /// An instance died, one that was made on trial or another. How long new connections are refused from now on, if this opened the
    /// breaker.
    pub(crate) fn died(&self, now: Instant, on_trial: bool) -> Option<Duration> {
        let mut state = self.state();
        let limit = state.limit?;
        if let Phase::Open(_) = state.phase {
            return None;
        }
        let trying = matches!(state.phase, Phase::Trial(..));
        while state.deaths.front().is_some_and(|death| now.duration_since(*death) >= limit.per) {
            state.deaths.pop_front();
        }
        state.deaths.push_back(now);
        // Of the others may go as many as at any time.
        if !(trying && on_trial) && state.deaths.len() < limit.deaths.max(1) as usize {
            return None;
        }
        if trying {
            state.rest = (state.rest * 2).min(LONGEST_REST);
        } else {
            self.closed.store(false, Relaxed);
            self.open.inc();
        }
        state.deaths.clear();
        state.phase = Phase::Open(now + state.rest);
        Some(state.rest)
    }

    /// Another number of deaths opens it from now on. Where it was open, it is closed.
    pub(crate) fn set(&self, limit: Option<DeathRate>) {
        let changed = std::mem::replace(&mut self.state().limit, limit) != limit;
        if changed {
            self.reset();
        }
    }

    /// There is a new version: what the old one did does not count any more.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        if state.phase != Phase::Closed {
            self.open.dec();
        }
        *state = State { limit: state.limit, phase: Phase::Closed, deaths: VecDeque::new(), rest: FIRST_REST };
        self.closed.store(true, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a look does not panic")
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if !self.closed.load(Relaxed) {
            self.open.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(deaths: u32) -> (Breaker, Gauge, Instant) {
        let gauge = Gauge::default();
        let limit = DeathRate { deaths, per: 60 * SECOND };
        (Breaker::new(Some(limit), gauge.clone()), gauge, Instant::now())
    }

    #[test]
    fn rare_deaths_open_nothing() {
        let (breaker, gauge, start) = breaker(3);
        for minute in 0..100 {
            for second in [0, 1] {
                assert_eq!(breaker.died(start + (60 * minute + second) * SECOND, false), None);
            }
            assert_eq!(breaker.admit(start + 60 * minute * SECOND), Ok(()));
        }
        assert_eq!(gauge.get(), 0);
        breaker.set(Some(DeathRate { deaths: 1, per: SECOND }));
        assert!(breaker.died(start, false).is_some());
        breaker.set(None);
        assert!(breaker.admit(start).is_ok() && breaker.died(start, false).is_none());
        assert_eq!(gauge.get(), 0);
        let never = Breaker::new(None, gauge);
        assert!((0..1000).all(|_| never.died(start, false).is_none()) && never.admit(start).is_ok());
    }

    #[test]
    fn many_open_it_and_a_good_trial_closes_it() {
        let (breaker, gauge, start) = breaker(3);
        assert_eq!((breaker.died(start, false), breaker.died(start, false)), (None, None));
        assert_eq!(breaker.died(start + SECOND, false), Some(SECOND));
        assert_eq!((breaker.died(start + SECOND, false), gauge.get()), (None, 1));
        assert_eq!(breaker.admit(start + SECOND * 3 / 2), Err(SECOND / 2));
        let trial = start + 2 * SECOND;
        assert!((0..TRIALS).all(|_| breaker.admit(trial).is_ok()));
        assert_eq!(breaker.admit(trial), Err(SECOND));
        // Others may die as at any time.
        assert!(breaker.is_trying());
        assert_eq!((breaker.died(trial, false), breaker.died(trial, false)), (None, None));
        assert!((0..100).all(|_| breaker.admit(trial + SECOND).is_ok()));
        assert_eq!(gauge.get(), 0);
        // What was before does not count any more.
        assert_eq!(breaker.died(trial + SECOND, false), None);
    }

    #[test]
    fn bad_trials_make_it_rest_longer() {
        let (breaker, gauge, mut now) = breaker(1);
        let mut rest = breaker.died(now, false).expect("it opens");
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(rest, expected * SECOND);
            now += rest;
            assert_eq!(breaker.admit(now), Ok(()));
            rest = breaker.died(now, true).expect("it opens again");
        }
        drop(breaker);
        assert_eq!(gauge.get(), 0);
    }
}
