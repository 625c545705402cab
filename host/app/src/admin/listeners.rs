//! `/v1/listeners`: where connections come in, stopped and started.

use super::{
    Problem,
    call::{Call, NoQuery, Reply, json},
    page::Name,
};
use crate::control::{ListenerChange, ListenerState, ListenerStatus};
use schemars::JsonSchema;
use serde::Serialize;

/// Listeners, by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listeners {
    listeners: Vec<Listener>,
}

/// A listener.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listener {
    #[schemars(with = "Name")]
    name: String,
    /// Where it listens, with the port that the system chose; where it would listen while it is stopped.
    bind: String,
    /// Whether it has TLS.
    tls: bool,
    #[schemars(extend("enum" = ["serving", "stopped"]))]
    state: &'static str,
    /// Open connections that came in through it.
    connections: usize,
}

/// What came of stopping or starting one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed {
    /// False: it was so already.
    changed: bool,
    /// How many connections are closed for it.
    closes: usize,
    listener: Listener,
}

/// `GET /v1/listeners`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Listeners { listeners: call.state.control.listeners().into_iter().map(Listener::from).collect() })
}

/// `GET /v1/listeners/{listener}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Listener::from(call.state.control.listener(call.captured("listener"))?))
}

/// `POST /v1/listeners/{listener}/stop`
pub(super) async fn stop(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Changed::from(call.state.control.stop_listener(call.captured("listener")).await?))
}

/// `POST /v1/listeners/{listener}/start`
pub(super) async fn start(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Changed::from(call.state.control.start_listener(call.captured("listener")).await?))
}

// === impl Listener ===

impl From<ListenerStatus> for Listener {
    fn from(status: ListenerStatus) -> Self {
        let ListenerStatus { name, bind, tls, state, connections } = status;
        let state = match state {
            ListenerState::Serving => "serving",
            ListenerState::Stopped => "stopped",
        };
        Self { name, bind, tls, state, connections }
    }
}

// === impl Changed ===

impl From<ListenerChange> for Changed {
    fn from(change: ListenerChange) -> Self {
        let ListenerChange { changed, closes, listener } = change;
        Self { changed, closes, listener: listener.into() }
    }
}
