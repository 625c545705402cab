//! What instances that sleep leave behind, and why others stay awake.

use crate::state::Scope;
use socklet_core::Taken;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// An instance that could not be put to sleep is left alone for so long at most.
const INSOMNIA_MAX: Duration = Duration::from_secs(3600);

/// After how long without a call instances of a route go to sleep; it can change, and holds for each from its next call on.
#[derive(Debug)]
pub(crate) struct Bedtime(AtomicU64);

/// Stands for never, in nanoseconds.
const NEVER: u64 = u64::MAX;

/// When instances of a route go to sleep, and what they may leave.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) bedtime: Arc<Bedtime>,
    /// There is nothing to save.
    pub(crate) stateless: bool,
    /// Bytes that one instance may save.
    pub(crate) state_max: usize,
    /// An instance is replaced after so many calls. None: never.
    pub(crate) calls_max: Option<u64>,
    /// An instance with more bytes of memory is replaced.
    pub(crate) memory_mark: usize,
}

/// Why an instance is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worn {
    Calls,
    Memory,
    /// There is a new version.
    Outdated,
}

/// What an instance left. Counted for as long as it is kept.
pub(crate) struct Saved {
    state: Option<Box<[u8]>>,
    counted: Option<Counted>,
}

/// What came of an attempt to put an instance to sleep.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Why it had to go, if it was not just idle.
    Asleep(Option<Worn>),
    Awake {
        why: Awake,
        /// It could be the last time, or was never tried.
        first: bool,
    },
}

/// Why an instance that was asked to save is still awake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    /// Its plugin refused, in its words.
    Refused(String),
    /// It has so many bytes to save.
    TooLarge(usize),
    /// It has so many bytes to save, and its tenant has no room for them.
    OverQuota(usize),
}

/// Why an instance that was to sleep at once is still awake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSleep {
    /// Nothing serves such a connection.
    #[error("no instance serves such a connection")]
    Unknown,
    /// The instance has died, maybe in the attempt.
    #[error("the instance has died")]
    Dead,
    /// It stays awake: why.
    #[error("the instance stays awake: {0}")]
    Awake(String),
}

/// An instance that cannot sleep is asked again later, and later every time.
#[derive(Debug)]
pub(crate) struct Insomnia {
    until: Instant,
    wait: Duration,
    why: Awake,
}

struct Counted {
    scope: Arc<Scope>,
    bytes: usize,
    _taken: Option<Taken>,
}

// === impl Bedtime ===

impl Bedtime {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        let bedtime = Self(AtomicU64::new(NEVER));
        bedtime.set(after);
        bedtime
    }

    pub(crate) fn set(&self, after: Option<Duration>) {
        let nanos = after.map_or(NEVER, |after| u64::try_from(after.as_nanos()).unwrap_or(NEVER - 1));
        self.0.store(nanos, Relaxed);
    }

    /// None: never.
    pub(crate) fn after(&self) -> Option<Duration> {
        Some(self.0.load(Relaxed)).filter(|nanos| *nanos != NEVER).map(Duration::from_nanos)
    }
}

// === impl Rules ===

impl Rules {
    /// After so long without a call. None: never.
    pub(crate) fn after(&self) -> Option<Duration> {
        self.bedtime.after()
    }
}

// === impl Saved ===

impl Saved {
    /// Between the events of a route where every event has an instance of its own.
    pub(crate) fn nothing() -> Self {
        Self { state: None, counted: None }
    }

    /// What an instance that sleeps from now on has left; none of a stateless one.
    pub(crate) fn new(state: Option<(Vec<u8>, Taken)>, scope: &Arc<Scope>) -> Self {
        let (state, taken) = state.map(|(state, taken)| (state.into_boxed_slice(), taken)).unzip();
        let bytes = state.as_ref().map_or(0, |state| state.len());
        scope.metrics.slept(bytes as i64);
        scope.census.slept();
        Self { state, counted: Some(Counted { scope: scope.clone(), bytes, _taken: taken }) }
    }

    /// From now on another version would wake it.
    pub(crate) fn count_for(&mut self, scope: &Arc<Scope>) {
        if let Some(counted) = &mut self.counted {
            scope.census.slept();
            std::mem::replace(&mut counted.scope, scope.clone()).census.woke();
        }
    }

    /// What is to be loaded, if anything.
    pub(crate) fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.scope.metrics.woke(self.bytes as i64);
        self.scope.census.woke();
    }
}

// === impl Worn ===

impl Worn {
    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Memory => "memory",
            Self::Outdated => "version",
        }
    }
}

// === impl Insomnia ===

impl Insomnia {
    /// After an attempt that failed; `first` is the wait after the first one.
    pub(crate) fn after(last: Option<&Self>, now: Instant, first: Duration, why: Awake) -> Self {
        let wait = last.map_or(first, |last| (last.wait * 2).min(INSOMNIA_MAX)).max(Duration::from_secs(1));
        Self { until: now + wait, wait, why }
    }

    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Why the last attempt failed.
    pub(crate) fn why(&self) -> &Awake {
        &self.why
    }
}

// === impl Awake ===

impl Awake {
    /// The word for it in metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::TooLarge(_) => "too-large",
            Self::OverQuota(_) => "over-quota",
        }
    }
}

impl fmt::Display for Awake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "its plugin cannot save: {why}"),
            Self::TooLarge(bytes) => write!(f, "what it would save has {bytes} bytes, more than saved_state_max"),
            Self::OverQuota(bytes) => write!(f, "its tenant has no room for the {bytes} bytes that it would save"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_sleep_is_asked_less_and_less() {
        let now = Instant::now();
        let first = Duration::from_secs(10);
        let mut insomnia = Insomnia::after(None, now, first, Awake::TooLarge(1));
        assert_eq!(insomnia.until(), now + first);
        insomnia = Insomnia::after(Some(&insomnia), now, first, Awake::TooLarge(1));
        assert_eq!(insomnia.until(), now + 2 * first);
        for _ in 0..20 {
            insomnia = Insomnia::after(Some(&insomnia), now, first, Awake::TooLarge(1));
        }
        assert_eq!(insomnia.until(), now + INSOMNIA_MAX);
    }
}
