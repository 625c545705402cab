//! `/v1/status`: how the server is.

use super::{
    Problem,
    call::{Call, NoQuery, Reply, answer, json},
};
use crate::{ops::METRICS, rfc3339::rfc3339};
use schemars::JsonSchema;
use serde::Serialize;

/// How the server is. A token of a tenant is told of what belongs to that.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    /// That of the server.
    version: &'static str,
    #[schemars(extend("format" = "date-time"))]
    started_at: String,
    uptime_seconds: u64,
    /// Whether connections are being closed and no new ones are accepted.
    draining: bool,
    /// WebSocket connections, those in a handshake included.
    connections: usize,
    tenants: usize,
    routes: usize,
    plugins: usize,
}

/// `GET /v1/status`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let state = &call.state;
    let live = state.control.live();
    let tenants: Vec<_> = live.tenants.values().map(|one| &one.tenant).filter(|one| call.sees(one.name())).collect();
    let routes: Vec<_> = state.server.routes().into_iter().filter(|route| call.sees(route.tenant().name())).collect();
    let plugins = match &call.who.tenant {
        Some(tenant) => state.owners().of(tenant).len(),
        None => live.plugins().count(),
    };
    let connections = match &call.who.tenant {
        Some(_) => tenants.iter().map(|tenant| tenant.connections().used()).sum(),
        None => state.server.connections(),
    };
    json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: rfc3339(state.started.0),
        uptime_seconds: state.started.1.elapsed().as_secs(),
        draining: state.health.is_draining(),
        connections,
        tenants: tenants.len(),
        routes: routes.len(),
        plugins,
    })
}

/// `GET /v1/metrics`
pub(super) async fn metrics(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let text = call.state.health.metrics().ok_or(Problem::Internal)?;
    Ok(answer(METRICS, text))
}
