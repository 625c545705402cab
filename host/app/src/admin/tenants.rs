//! `/v1/tenants`: what each may have, and what it has of that.

use super::{
    Problem,
    call::{Call, Reply, json},
    page::{Limit, Name, page},
};
use crate::live::LiveTenant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socklet_core::{Quotas, Tenant};
use socklet_plugin::Plugins;
use std::sync::Arc;

/// Which part of the list is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// What the page before said is `next`.
    cursor: Option<String>,
    /// The most entries of the page.
    #[serde(default)]
    limit: Limit,
}

/// Tenants, by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tenants {
    tenants: Vec<TenantInfo>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// A tenant.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TenantInfo {
    #[schemars(with = "Name")]
    name: String,
    /// The file that it is written in, where it has one of its own.
    file: Option<String>,
    /// How many routes it has.
    routes: usize,
    /// How many plugins of its own.
    plugins: usize,
    /// What it has now.
    used: Used,
    /// What it may have.
    quotas: QuotaInfo,
}

/// What a tenant has now.
#[derive(Debug, Serialize, JsonSchema)]
struct Used {
    connections: usize,
    /// Topics that have a subscriber.
    topics: usize,
    /// Instances for connections.
    instances: usize,
    /// Bytes of guest memory.
    memory_bytes: usize,
    /// Timers that are set.
    timers: usize,
    /// Bytes that its hibernated instances have saved.
    saved_state_bytes: usize,
}

/// What a tenant may have. Null: there is no end.
#[derive(Debug, Serialize, JsonSchema)]
struct QuotaInfo {
    max_connections: Option<usize>,
    /// Such as `500/s`.
    connection_rate: Option<String>,
    /// Such as `500/s`.
    messages_per_second: Option<String>,
    bytes_per_second: Option<u64>,
    max_topics: Option<usize>,
    max_instances: Option<usize>,
    max_memory: Option<usize>,
    /// In cores.
    cpu: Option<f64>,
    max_timers: Option<usize>,
    /// Such as `10/s`.
    log_lines_per_second: Option<String>,
    max_saved_state: Option<usize>,
    max_keyvalue: Option<usize>,
    max_http_requests: Option<usize>,
}

/// `GET /v1/tenants`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let Which { cursor, limit } = call.query()?;
    let live = call.state.control.live();
    let all = live.tenants.values().filter(|one| call.sees(one.tenant.name()));
    let (tenants, next) = page(all, cursor.as_deref(), limit, |one| one.tenant.to_string());
    let engine = &call.state.engine;
    json(&Tenants { tenants: tenants.into_iter().map(|one| TenantInfo::of(one, engine)).collect(), next })
}

/// `GET /v1/tenants/{tenant}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let (name, live) = (call.captured("tenant"), call.state.control.live());
    let found = live.tenants.get(name).ok_or_else(|| Problem::NoSuch("tenant", name.to_owned()))?;
    json(&TenantInfo::of(found, &call.state.engine))
}

pub(super) fn find(call: &Call) -> Result<Arc<Tenant>, Problem> {
    let name = call.captured("tenant");
    let found = call.state.control.live().tenants.get(name).map(|one| one.tenant.clone());
    found.ok_or_else(|| Problem::NoSuch("tenant", name.to_owned()))
}

// === impl TenantInfo ===

impl TenantInfo {
    fn of(LiveTenant { tenant, file, plugins, routes }: &LiveTenant, engine: &Plugins) -> Self {
        let Quotas {
            connections,
            connection_rate,
            messages,
            bytes_per_second,
            topics,
            instances,
            memory,
            cpu,
            timers,
            log_lines,
            saved_state,
            keyvalue,
            http_requests,
        } = tenant.quotas();
        Self {
            name: tenant.to_string(),
            file: file.as_ref().map(|file| file.file.to_string()),
            routes: routes.len(),
            plugins: plugins.len(),
            used: Used {
                connections: tenant.connections().used(),
                topics: tenant.topics().used(),
                instances: engine.instances_of(tenant.name()),
                memory_bytes: tenant.memory().used(),
                timers: tenant.timers().used(),
                saved_state_bytes: tenant.saved_state().used(),
            },
            quotas: QuotaInfo {
                max_connections: connections,
                connection_rate: connection_rate.map(|rate| rate.to_string()),
                messages_per_second: messages.map(|rate| rate.to_string()),
                bytes_per_second,
                max_topics: topics,
                max_instances: instances,
                max_memory: memory,
                cpu: cpu.map(|cpu| cpu.as_secs_f64()),
                max_timers: timers,
                log_lines_per_second: log_lines.map(|rate| rate.to_string()),
                max_saved_state: saved_state,
                max_keyvalue: keyvalue,
                max_http_requests: http_requests,
            },
        }
    }
}
