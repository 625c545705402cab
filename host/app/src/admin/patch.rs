//! `PATCH /v1/routes/{tenant}/{route}`: what of a route changes while it is served, for connections that are open, too.

use super::{
    Problem,
    call::{Call, Reply},
    limits::LimitsPatch,
    routes,
};
use schemars::JsonSchema;
use serde::Deserialize;
use socklet_core::{Connections, Heartbeat, InvalidHeartbeat, units::parse_duration};

/// What is to change; what is left out stays as it is. Until the next restart, or a reload that changes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutePatch {
    heartbeat: Option<HeartbeatPatch>,
    limits: Option<LimitsPatch>,
}

/// What is to change of the heartbeat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeartbeatPatch {
    /// How long a connection is idle before a ping: `1s` to `1d`.
    #[schemars(regex(pattern = "^[1-9][0-9]{0,4}s$"))]
    interval: Option<String>,
    /// What the ping carries: at most 125 bytes.
    #[schemars(length(max = 31))]
    message: Option<String>,
}

/// The largest body in bytes.
pub(super) const MAX: u64 = 16 << 10;

/// `PATCH /v1/routes/{tenant}/{route}`
pub(super) async fn change(call: &mut Call) -> Result<Reply, Problem> {
    let route = routes::find(call)?;
    let RoutePatch { heartbeat, limits } = call.json(MAX).await?;
    let connections = route.connections();
    // All of it, or nothing.
    let heartbeat = heartbeat.map(|patch| patch.apply(&connections.heartbeat())).transpose()?;
    let limits = limits.map(|patch| patch.apply(&connections.limits())).transpose()?;
    if let Some(heartbeat) = heartbeat {
        connections.set_heartbeat(heartbeat);
    }
    if let Some(limits) = limits {
        connections.set_limits(limits);
    }
    routes::show(call).await
}

// === impl HeartbeatPatch ===

impl HeartbeatPatch {
    fn apply(self, heartbeat: &Heartbeat) -> Result<Heartbeat, Problem> {
        let interval = match &self.interval {
            Some(text) => parse_duration(text).map_err(|error| {
                let expected = "expected a duration such as \"25s\"";
                Problem::Content(format!("heartbeat.interval = {text:?}: {error}; {expected}"))
            })?,
            None => heartbeat.interval(),
        };
        let message = self.message.map_or_else(|| heartbeat.payload().clone(), Into::into);
        Heartbeat::new(interval, message).map_err(|error| {
            let key = match error {
                InvalidHeartbeat::Interval(_) => "interval",
                InvalidHeartbeat::Payload(_) => "message",
            };
            Problem::Content(format!("heartbeat.{key}: {error}"))
        })
    }
}
