//! A configuration that was read, right or wrong.

use super::{Config, Mistakes, Place, PluginPlan};
use socklet_server::ListenerConfig;

/// A configuration that was read, right or wrong. Where it is wrong, what is right of it is enough to look for more mistakes.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) config: Result<Config, Mistakes>,
    /// The plugins of the main file that can be loaded.
    pub(crate) plugins: Vec<PluginPlan>,
    /// The listeners that can be bound, and where they are written.
    pub(crate) listeners: Vec<(ListenerConfig, Place)>,
}

// === impl Draft ===

impl Draft {
    /// Nothing can be read of it.
    pub(super) fn unreadable(mistakes: Mistakes) -> Self {
        Self { config: Err(mistakes), plugins: Vec::new(), listeners: Vec::new() }
    }
}
