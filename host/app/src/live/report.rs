//! What a change comes to, for operators: what is added, removed, changed, and who is closed for it.

use crate::config::Keys;
use socklet_plugin::VersionStatus;
use std::collections::BTreeMap;

/// What a change comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Nothing was changed: this is what would be.
    pub(crate) dry_run: bool,
    /// Counts the changes since the server was started; that of what runs now.
    pub(crate) generation: u64,
    pub(crate) listeners: Vec<Entry>,
    pub(crate) tenants: Vec<Entry>,
    pub(crate) routes: Vec<Entry>,
    pub(crate) plugins: Vec<Entry>,
    /// Keys of everything else.
    pub(crate) settings: Keys,
    /// How many connections are closed, by close code.
    pub(crate) closes: BTreeMap<u16, usize>,
}

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) change: Change,
    /// What is different: keys of the configuration. Of a plugin also `component`: its file is another one.
    pub(crate) keys: Keys,
    /// How many connections are closed for it.
    pub(crate) closes: usize,
    /// The version that new connections get. Not told before it is one.
    pub(crate) version: Option<VersionStatus>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Removed,
    Changed,
}

// === impl Report ===

impl Report {
    /// So many connections are closed with a code.
    pub(super) fn closes(&mut self, code: u16, connections: usize) {
        if connections > 0 {
            *self.closes.entry(code).or_default() += connections;
        }
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn added(name: impl ToString) -> Self {
        Self { name: name.to_string(), change: Change::Added, keys: Keys::new(), closes: 0, version: None }
    }

    /// It is there before and after.
    pub(super) fn is_changed(&self) -> bool {
        self.change == Change::Changed
    }

    pub(super) fn removed(name: impl ToString, closes: usize) -> Self {
        Self { change: Change::Removed, closes, ..Self::added(name) }
    }

    pub(super) fn changed(name: impl ToString, keys: Keys, closes: usize) -> Self {
        Self { change: Change::Changed, keys, closes, ..Self::added(name) }
    }
}
