//! The versions of a plugin: a new one takes over while connections stay, and gives way again when it fails.

use crate::{contract::Kind, loaded::Loaded};
use socklet_core::VersionChange;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, Weak},
};
use tracing::{info, warn};

/// Old versions that are remembered, for as long as connections use them.
const REMEMBERED: usize = 64;

/// Who uses a plugin, and goes on with another version when there is one.
pub(crate) trait Follower: Send + Sync {
    /// Takes the version for everything that begins from now on. Does not wait.
    fn follow(self: Arc<Self>, loaded: &Arc<Loaded>);
}

/// The versions of one plugin, one after the other.
pub(crate) struct Line {
    // A std mutex: held while everybody is told, which waits for nothing, so that all hear of versions in one order.
    state: Mutex<State>,
}

/// A version of a plugin, as it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VersionStatus {
    /// Counts the versions of the plugin, from 1.
    pub version: u32,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// What it is for now.
    pub role: VersionRole,
    /// Its instances that are awake.
    pub live: usize,
    /// Its instances that sleep.
    pub hibernated: usize,
}

/// What a version is for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionRole {
    /// New connections get it.
    Current,
    /// New connections get it; when its first calls fail, the one before it comes back.
    Trial,
    /// A rollback brings it back.
    Before,
    /// It serves its connections to their end.
    Old,
}

/// There is no version to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin has no version to go back to")]
pub struct NothingBefore;

struct State {
    current: Arc<Loaded>,
    before: Option<Arc<Loaded>>,
    /// Those that connections may still use.
    old: Vec<Weak<Loaded>>,
    last_number: u32,
    followers: Vec<Weak<dyn Follower>>,
}

// === impl Line ===

impl Line {
    pub(crate) fn new(first: Arc<Loaded>) -> Arc<Self> {
        let state = State {
            last_number: first.number(),
            current: first.clone(),
            before: None,
            old: Vec::new(),
            followers: Vec::new(),
        };
        first.counts();
        let line = Arc::new(Self { state: Mutex::new(state) });
        first.join(&line);
        line
    }

    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.state().current.clone()
    }

    /// The number of the last version that was current.
    pub(crate) fn last_number(&self) -> u32 {
        self.state().last_number
    }

    /// Makes somebody who uses the current version, and the one before it where that one fails its trial; and tells it of all that
    /// follow.
    pub(crate) fn employ<F: Follower + 'static>(
        &self,
        make: impl FnOnce(&Arc<Loaded>, Option<&Arc<Loaded>>) -> Option<Arc<F>>,
    ) -> Option<Arc<F>> {
        let mut state = self.state();
        let before =
            state.before.as_ref().filter(|before| !state.current.trial().is_passed() && !before.trial().has_failed());
        let follower = make(&state.current, before)?;
        let made: Arc<dyn Follower> = follower.clone();
        state.followers.retain(|follower| follower.strong_count() > 0);
        state.followers.push(Arc::downgrade(&made));
        Some(follower)
    }

    /// From now on this is the current version.
    pub(crate) fn advance(self: &Arc<Self>, loaded: Arc<Loaded>) {
        loaded.join(self);
        loaded.counts();
        let mut state = self.state();
        state.current.trial().end();
        state.last_number = loaded.number();
        let before = state.install(loaded);
        let older = state.before.replace(before);
        state.forget(older);
        info!(plugin = %state.current.name(), version = state.current.number(), digest = state.current.digest(), "plugin swapped");
        state.current.metrics().swapped("ok");
        state.current.announce(VersionChange::Swapped);
    }

    /// The version before takes over again; after that, a rollback brings back this one.
    pub(crate) fn roll_back(&self) -> Result<Arc<Loaded>, NothingBefore> {
        let mut state = self.state();
        let before = state.before.take().ok_or(NothingBefore)?;
        state.current.trial().end();
        let left = state.install(before);
        state.before = Some(left);
        info!(plugin = %state.current.name(), version = state.current.number(), "plugin rolled back");
        state.current.metrics().swapped("rolled-back");
        state.current.announce(VersionChange::RolledBack);
        Ok(state.current.clone())
    }

    /// A version has failed its trial: the version before takes over again.
    fn go_back_from(&self, failed: &Arc<Loaded>) {
        let mut state = self.state();
        if !Arc::ptr_eq(&state.current, failed) {
            return;
        }
        let Some(before) = state.before.take() else { return };
        let failed = state.install(before);
        warn!(
            plugin = %failed.name(), failed = failed.number(), digest = failed.digest(), version = state.current.number(),
            "the new version of a plugin fails, the one before it goes on"
        );
        state.current.metrics().swapped("failed-trial");
        state.current.announce(VersionChange::FailedTrial);
        state.forget(Some(failed));
    }

    /// All versions that are in use or can be brought back, the newest first.
    pub(crate) fn versions(&self) -> Vec<VersionStatus> {
        let state = self.state();
        let as_role = |role| move |loaded: &Loaded| VersionStatus { role, ..status(loaded) };
        let before = state.before.iter().map(|before| as_role(VersionRole::Before)(before));
        let old = state.old.iter().filter_map(Weak::upgrade).map(|old| as_role(VersionRole::Old)(&old));
        let mut versions: Vec<_> = [status(&state.current)].into_iter().chain(before).chain(old).collect();
        drop(state);
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        versions.retain(|version| version.role != VersionRole::Old || version.live + version.hibernated > 0);
        versions
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("telling does not panic")
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Line").field("current", &state.current).field("before", &state.before).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// Returns the version that was current.
    fn install(&mut self, loaded: Arc<Loaded>) -> Arc<Loaded> {
        let left = std::mem::replace(&mut self.current, loaded);
        self.followers.retain(|follower| match follower.upgrade() {
            Some(follower) => {
                follower.follow(&self.current);
                true
            }
            None => false,
        });
        left
    }

    fn forget(&mut self, loaded: Option<Arc<Loaded>>) {
        self.old.retain(|old| old.strong_count() > 0);
        if self.old.len() < REMEMBERED {
            self.old.extend(loaded.as_ref().map(Arc::downgrade));
        }
    }
}

/// A version has failed its trial. Returns at once: whoever calls holds one of its instances.
pub(crate) fn fail(loaded: &Arc<Loaded>) {
    let loaded = loaded.clone();
    loaded.guests().clone().keep(async move {
        if let Some(line) = loaded.line() {
            line.go_back_from(&loaded);
        }
    });
}

/// A current version.
pub(crate) fn status(loaded: &Loaded) -> VersionStatus {
    let census = loaded.census();
    VersionStatus {
        version: loaded.number(),
        digest: loaded.digest().to_owned(),
        role: if loaded.trial().is_over() { VersionRole::Current } else { VersionRole::Trial },
        live: census.live(),
        hibernated: census.asleep(),
    }
}

/// What is wrong with a new version of another kind.
pub(crate) fn other_kind(was: Kind, is: Kind) -> String {
    format!("it is {}, and the plugin is {}: give it another name", is.described(), was.described())
}
