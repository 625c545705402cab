//! What operators see of the instance that serves a connection.

use serde::Serialize;

/// The instance that serves a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Who the route belongs to.
    pub tenant: String,
    /// The route.
    pub route: String,
    /// The plugin.
    pub plugin: String,
    /// The version of the instance.
    pub version: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// Why it is awake, in words; nothing while it sleeps.
    pub awake: Option<String>,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
