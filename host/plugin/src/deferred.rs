//! A plugin that is loaded when it is needed: what from, whether somebody is at it, and when to try again what went wrong.

use crate::{config::PluginConfig, error::LoadError, plugin::PluginState};
use socklet_core::{CallError, PluginId};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tracing::warn;

/// How long requests are refused after the first failure; after each further one twice as long.
const FIRST_REST: Duration = Duration::from_secs(1);
/// No longer than this.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What a plugin is loaded from when it is needed.
pub(crate) struct Deferred(Mutex<State>);

struct State {
    /// None for a plugin that was loaded from the beginning.
    config: Option<PluginConfig>,
    phase: Phase,
    /// How long the last rest was.
    rest: Duration,
}

enum Phase {
    Idle,
    /// Somebody loads; closed when that is over.
    Loading(watch::Receiver<()>),
    Failed {
        until: Instant,
        why: String,
    },
}

/// What somebody has to do who needs the plugin.
pub(crate) enum Demand {
    /// Wait for somebody else.
    Wait(watch::Receiver<()>),
    /// Load it, and drop this when that is over.
    Load(watch::Sender<()>),
}

// === impl Deferred ===

impl Deferred {
    pub(crate) fn new(config: PluginConfig) -> Self {
        Self(Mutex::new(State { config: Some(config), phase: Phase::Idle, rest: Duration::ZERO }))
    }

    /// Of a plugin that is loaded.
    pub(crate) fn never() -> Self {
        Self(Mutex::new(State { config: None, phase: Phase::Idle, rest: Duration::ZERO }))
    }

    /// Somebody needs it.
    ///
    /// # Errors
    ///
    /// [`CallError::Resting`] when it did not load a moment ago.
    pub(crate) fn demand(&self, now: Instant) -> Result<Demand, CallError> {
        let mut state = self.state();
        match &state.phase {
            // Whoever loads says how it ended before it closes this. Where nothing was said it was lost, and is tried again.
            Phase::Loading(over) if over.has_changed().is_ok() => return Ok(Demand::Wait(over.clone())),
            Phase::Failed { until, .. } if now < *until => {
                return Err(CallError::Resting { retry_after: *until - now });
            }
            Phase::Idle | Phase::Loading(_) | Phase::Failed { .. } => {}
        }
        let (loading, over) = watch::channel(());
        state.phase = Phase::Loading(over);
        Ok(Demand::Load(loading))
    }

    /// What to load.
    pub(crate) fn config(&self) -> Option<PluginConfig> {
        self.state().config.clone()
    }

    /// It did not load: requests are refused for a while.
    pub(crate) fn failed(&self, plugin: &PluginId, error: &LoadError, now: Instant) {
        let mut state = self.state();
        state.rest = (state.rest * 2).clamp(FIRST_REST, LONGEST_REST);
        state.phase = Phase::Failed { until: now + state.rest, why: error.to_string() };
        let rest = state.rest;
        drop(state);
        warn!(%plugin, %error, ?rest, "failed to load a plugin that is needed, its routes refuse requests for now");
    }

    /// Whether another configuration is one.
    pub(crate) fn would_change(&self, config: &PluginConfig) -> bool {
        self.state().config.as_ref() != Some(config)
    }

    /// Will be loaded from this. What went wrong before is tried again with the next request.
    pub(crate) fn set(&self, config: PluginConfig) {
        *self.state() = State { config: Some(config), phase: Phase::Idle, rest: Duration::ZERO };
    }

    pub(crate) fn state_of(&self) -> PluginState {
        match &self.state().phase {
            Phase::Idle => PluginState::Deferred,
            Phase::Loading(_) => PluginState::Loading,
            Phase::Failed { why, .. } => PluginState::Failed(why.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration carries secrets.
        f.debug_tuple("Deferred").field(&self.state_of()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{CallLimits, OnSwap},
        grants::Grants,
    };

    fn deferred() -> Deferred {
        Deferred::new(PluginConfig {
            name: "acme/echo".parse().unwrap(),
            source: "nowhere".into(),
            digest: None,
            settings: Default::default(),
            limits: CallLimits::default(),
            grants: Grants::default(),
            stateless: false,
            fleeting: false,
            recycle_calls: None,
            recycle_memory: None,
            saved_state_max: 0,
            on_swap: OnSwap::Keep,
        })
    }

    #[test]
    fn one_loads_and_the_others_wait() {
        let (deferred, now) = (deferred(), Instant::now());
        let Ok(Demand::Load(loading)) = deferred.demand(now) else { panic!("nobody loads") };
        assert!(matches!(deferred.demand(now), Ok(Demand::Wait(_))));
        assert_eq!(deferred.state_of(), PluginState::Loading);
        drop(loading);
        assert!(matches!(deferred.demand(now), Ok(Demand::Load(_))), "who loaded is gone and said nothing");
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let deferred = deferred();
        let (id, error) = ("acme/echo".parse().unwrap(), LoadError::NotAComponent("a test"));
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(matches!(deferred.demand(now), Ok(Demand::Load(_))));
            deferred.failed(&id, &error, now);
            let Err(error) = deferred.demand(now) else { panic!("it does not rest") };
            assert_eq!(error, CallError::Resting { retry_after: Duration::from_secs(seconds) });
            now += Duration::from_secs(seconds);
        }
        assert_eq!(deferred.state_of(), PluginState::Failed("not a component: a test".into()));
        deferred.failed(&id, &error, now);
        let config = deferred.config().unwrap();
        assert!(!deferred.would_change(&config));
        deferred.set(config);
        assert!(matches!(deferred.demand(now), Ok(Demand::Load(_))), "a reload is a reason to try again");
    }
}
