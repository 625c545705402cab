//! What operators see of the instance that serves a connection.

use crate::PluginId;

/// The instance that serves a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// The plugin.
    pub plugin: PluginId,
    /// The version of the instance; versions of a plugin are counted since the host was started, from 1.
    pub version: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// Why it is awake, in words; nothing while it sleeps.
    pub awake: Option<String>,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It is being called.
    Busy,
    /// It waits for its next call.
    Live,
    /// It was saved and dropped; the next call wakes it.
    Hibernated,
    /// It has died; its connections are being closed.
    Dead,
}

// === impl InstanceState ===

impl InstanceState {
    /// Its name for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Live => "live",
            Self::Hibernated => "hibernated",
            Self::Dead => "dead",
        }
    }
}
