//! `/v1/tenants`: what each may have, and what it has of that.

use super::{
    Problem,
    call::{Call, Reply, json},
    page::{Limit, Name, page},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socklet_core::{Quotas, Tenant};
use std::{collections::HashMap, sync::Arc};

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
    /// How many routes it has.
    routes: usize,
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
}

/// `GET /v1/tenants`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let Which { cursor, limit } = call.query()?;
    let all = call.state.server.tenants().into_iter().filter(|tenant| call.sees(tenant.name()));
    let (tenants, next) = page(all, cursor.as_deref(), limit, |tenant| tenant.to_string());
    let routes = routes(call);
    json(&Tenants { tenants: tenants.iter().map(|tenant| TenantInfo::of(tenant, &routes)).collect(), next })
}

/// `GET /v1/tenants/{tenant}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let tenant = find(call)?;
    json(&TenantInfo::of(&tenant, &routes(call)))
}

pub(super) fn find(call: &Call) -> Result<Arc<Tenant>, Problem> {
    let name = call.captured("tenant");
    let found = call.state.server.tenants().into_iter().find(|tenant| tenant.name().as_str() == name);
    found.ok_or_else(|| Problem::NoSuch("tenant", name.to_owned()))
}

/// How many routes each tenant has.
fn routes(call: &Call) -> HashMap<String, usize> {
    let mut routes = HashMap::new();
    for route in call.state.server.routes() {
        *routes.entry(route.tenant().to_string()).or_default() += 1;
    }
    routes
}

// === impl TenantInfo ===

impl TenantInfo {
    fn of(tenant: &Tenant, routes: &HashMap<String, usize>) -> Self {
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
        } = tenant.quotas().clone();
        Self {
            name: tenant.to_string(),
            routes: routes.get(tenant.name().as_str()).copied().unwrap_or_default(),
            used: Used {
                connections: tenant.connections().used(),
                topics: tenant.topics().used(),
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
            },
        }
    }
}
