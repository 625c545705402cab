//! One version of a behavior on one route.

use crate::{
    failure::Failure,
    instance::{BehaviorIndices, Linked},
    loaded::Loaded,
    meter::Place,
    metrics::Hook,
    pace::Pace,
    rest::{Awake, Rules, Saved},
    slots::Slot,
    state::Scope,
};
use socklet_core::{CallError, Taken};
use std::sync::Arc;
use tokio::time::Instant;

/// One version of a behavior on one route.
pub(crate) struct Version {
    loaded: Arc<Loaded>,
    linked: Arc<Linked<BehaviorIndices>>,
    scope: Arc<Scope>,
    rules: Rules,
    pace: Pace,
    /// Every event has an instance of its own.
    fleeting: bool,
}

/// What decides whether the connections of one version can go on with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manners {
    /// It has nothing that must survive.
    stateless: bool,
    /// It can save and load.
    has_state: bool,
    sees_frames: bool,
}

// === impl Version ===

impl Version {
    pub(crate) fn new(
        loaded: Arc<Loaded>,
        linked: Arc<Linked<BehaviorIndices>>,
        scope: Arc<Scope>,
        rules: Rules,
        fleeting: bool,
    ) -> Arc<Self> {
        Arc::new(Self { loaded, linked, scope, rules, pace: Pace::default(), fleeting })
    }

    /// Counts the versions of the plugin, from 1.
    pub(crate) fn number(&self) -> u32 {
        self.loaded.number()
    }

    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    pub(crate) fn linked(&self) -> &Linked<BehaviorIndices> {
        &self.linked
    }

    pub(crate) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Where the next call begins.
    pub(crate) fn place(&self) -> Place {
        self.scope.place(&self.pace)
    }

    /// Reports a failure; the error for the caller has only its event.
    pub(crate) fn failed(&self, failure: &Failure, hook: Hook) -> CallError {
        failure.report(&self.scope, hook)
    }

    pub(crate) fn manners(&self) -> Manners {
        Manners {
            stateless: self.rules.stateless || self.fleeting,
            has_state: self.linked.has_state(),
            sees_frames: self.linked.sees_frames(),
        }
    }

    // --- room ---

    /// Room for an instance that wakes up, if there is any.
    pub(crate) fn room(&self) -> Option<Slot> {
        let rooms = &self.scope.rooms;
        if self.fleeting { rooms.try_passing() } else { rooms.lasting() }
    }

    /// Waits for that. `last`: the call is the connection's last. Cancel-safe.
    pub(crate) async fn next_room(&self, last: bool) -> Slot {
        let rooms = &self.scope.rooms;
        if rooms.is_over_quota() {
            self.scope.metrics.over_quota("instances");
        }
        if self.fleeting { rooms.passing().await } else { rooms.waking(last).await }
    }

    // --- sleep ---

    /// Instances are asked for their state before they sleep.
    pub(crate) fn saves(&self) -> bool {
        !self.rules.stateless
    }

    /// Whether an instance can go and come back at all.
    pub(crate) fn may_sleep(&self) -> bool {
        self.manners().may_leave()
    }

    /// When an instance that was used then may sleep, if ever.
    pub(crate) fn bedtime(&self, used: Instant) -> Option<Instant> {
        self.rules.after().filter(|_| self.may_sleep()).map(|after| used + after)
    }

    /// Counts an instance that sleeps from now on.
    pub(crate) fn saved(&self, state: Option<(Vec<u8>, Taken)>) -> Saved {
        Saved::new(state, &self.scope)
    }

    /// As [`Version::saved`], within the limits.
    pub(crate) fn saved_if_it_fits(&self, state: Vec<u8>) -> Result<Saved, Awake> {
        if state.len() > self.rules.state_max {
            return Err(Awake::TooLarge(state.len()));
        }
        let Some(taken) = self.scope.tenant.saved_state().take(state.len()) else {
            self.scope.metrics.over_quota("saved-state");
            return Err(Awake::OverQuota(state.len()));
        };
        Ok(self.saved(Some((state, taken))))
    }
}

// === impl Manners ===

impl Manners {
    pub(crate) fn sees_frames(self) -> bool {
        self.sees_frames
    }

    /// Whether an instance can go and come back at all.
    pub(crate) fn may_leave(self) -> bool {
        self.stateless || self.has_state
    }

    /// Whether connections of this version can go on with instances of another.
    pub(crate) fn can_become(self, other: Self) -> bool {
        // Who decides on frames must have seen all of them.
        let frames = self.sees_frames || !other.sees_frames;
        frames && self.may_leave() && (self.stateless || other.may_leave())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_can_go_on_moves() {
        let none = Manners { stateless: false, has_state: false, sees_frames: false };
        let stateless = Manners { stateless: true, ..none };
        let saves = Manners { has_state: true, ..none };
        for (from, to, moves) in [
            (none, none, false),
            (none, saves, false),
            (saves, saves, true),
            (saves, stateless, true),
            (saves, none, false),
            (stateless, none, true),
            (stateless, saves, true),
        ] {
            assert_eq!(from.can_become(to), moves, "{from:?} {to:?}");
            let seeing = Manners { sees_frames: true, ..to };
            assert!(!from.can_become(seeing));
            assert_eq!(Manners { sees_frames: true, ..from }.can_become(seeing), moves);
        }
    }
}
