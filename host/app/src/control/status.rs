//! What operators see of plugins.

use super::{ChangeError, Control, find};
use crate::uploads::Record;
use socklet_plugin::{Kind, Plugin, PluginState, VersionStatus};

/// A plugin with its versions.
#[derive(Debug)]
pub(crate) struct PluginStatus {
    /// One of a tenant's own is `TENANT/NAME`.
    pub(crate) name: String,
    /// None before it is loaded.
    pub(crate) kind: Option<Kind>,
    pub(crate) state: &'static str,
    /// Why it did not load.
    pub(crate) problem: Option<String>,
    /// The newest first; none before it is loaded.
    pub(crate) versions: Vec<VersionStatus>,
    /// What was sent for it, and is kept.
    pub(crate) upload: Option<Record>,
}

// === impl Control ===

impl Control {
    /// Every plugin: those that all share by name, then those of tenants.
    pub(crate) fn plugins(&self) -> Vec<PluginStatus> {
        self.live().plugins().map(|plugin| self.status(plugin)).collect()
    }

    /// One plugin.
    pub(crate) fn plugin(&self, id: &str) -> Result<PluginStatus, ChangeError> {
        find(&self.live(), id).map(|plugin| self.status(plugin))
    }

    fn status(&self, plugin: &Plugin) -> PluginStatus {
        let (state, problem) = match plugin.state() {
            PluginState::Deferred => ("deferred", None),
            PluginState::Loading => ("loading", None),
            PluginState::Failed(why) => ("failed", Some(why)),
            PluginState::Loaded => ("loaded", None),
        };
        let upload = self.0.around.uploads.as_ref().and_then(|uploads| uploads.record(plugin.id()));
        let (name, kind, versions) = (plugin.id().to_string(), plugin.kind(), plugin.versions());
        PluginStatus { name, kind, state, problem, versions, upload }
    }
}
