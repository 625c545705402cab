//! `/v1/usage`: what plugins have used since they were loaded, by tenant, route and version.

use super::{
    Problem,
    call::{Call, Reply, json},
    page::{Name, OfTenant, page},
};
use schemars::JsonSchema;
use serde::Serialize;
use socklet_plugin::UsageRow;

/// What was used.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Usage {
    usage: Vec<Row>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// What one version of a plugin has used on one route.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    #[schemars(with = "Name")]
    tenant: String,
    #[schemars(with = "Name")]
    route: String,
    #[schemars(with = "Name")]
    plugin: String,
    /// Counts the versions of the plugin since the server was started, from 1.
    version: u32,
    digest: String,
    /// CPU time of its calls.
    cpu_seconds: f64,
    calls: u64,
    /// Calls that killed their instance.
    traps: u64,
    /// Calls of the plugin to the host.
    host_calls: u64,
    messages_received: u64,
    bytes_received: u64,
    /// Counted for each receiver.
    messages_sent: u64,
    bytes_sent: u64,
    /// Connections that it accepted and that are open.
    connections: u64,
    connection_seconds: f64,
    /// Guest memory now.
    memory_bytes: u64,
    /// The most guest memory since the last file of the usage export.
    memory_peak_bytes: u64,
    memory_byte_seconds: f64,
}

/// `GET /v1/usage`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let OfTenant { tenant, cursor, limit } = call.query()?;
    let Ok(tenant) = call.scope(tenant) else { return json(&Usage { usage: Vec::new(), next: None }) };
    let fits = |row: &UsageRow| tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant);
    let all = call.state.engine.usage().into_iter().filter(fits);
    // With zeros in front, versions are in order.
    let key = |row: &UsageRow| format!("{}/{}/{}/{:010}", row.tenant, row.route, row.plugin, row.version);
    let (rows, next) = page(all, cursor.as_deref(), limit, key);
    json(&Usage { usage: rows.into_iter().map(Row::from).collect(), next })
}

// === impl Row ===

impl From<UsageRow> for Row {
    fn from(row: UsageRow) -> Self {
        Self {
            tenant: row.tenant.to_string(),
            route: row.route.to_string(),
            plugin: row.plugin.to_string(),
            version: row.version,
            digest: row.digest,
            cpu_seconds: row.cpu_seconds,
            calls: row.calls,
            traps: row.traps,
            host_calls: row.host_calls,
            messages_received: row.messages_received,
            bytes_received: row.bytes_received,
            messages_sent: row.messages_sent,
            bytes_sent: row.bytes_sent,
            connections: row.connections,
            connection_seconds: row.connection_seconds,
            memory_bytes: row.memory_bytes,
            memory_peak_bytes: row.memory_peak_bytes,
            memory_byte_seconds: row.memory_byte_seconds,
        }
    }
}
