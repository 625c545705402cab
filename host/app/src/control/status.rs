//! What operators see of plugins, connections and tenants.

use super::{ChangeError, Control, find};
use crate::live::{LiveRoute, LiveTenant};
use serde::Serialize;
use socklet_core::{Connections, Quotas, TenantName};
use socklet_plugin::{InstanceStatus, Kind, Plugin, PluginState, VersionStatus};

/// A plugin with its versions.
#[derive(Debug, Serialize)]
pub(crate) struct PluginStatus {
    /// One of a tenant's own is `TENANT/NAME`.
    pub(crate) name: String,
    /// None before it is loaded.
    pub(crate) kind: Option<Kind>,
    pub(crate) state: &'static str,
    /// Why it did not load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// The newest first; none before it is loaded.
    pub(crate) versions: Vec<VersionStatus>,
}

/// A connection.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionStatus {
    pub(crate) id: u64,
    pub(crate) instance: InstanceStatus,
}

/// A tenant, in a list.
#[derive(Debug, Serialize)]
pub(crate) struct TenantStatus {
    pub(crate) name: String,
    /// The file that it is written in, if it has one of its own.
    pub(crate) file: Option<String>,
    pub(crate) routes: usize,
    /// Its own plugins.
    pub(crate) plugins: usize,
    /// Those in a handshake included.
    pub(crate) connections: usize,
}

/// A tenant with all that it has.
#[derive(Debug, Serialize)]
pub(crate) struct TenantDetails {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) quotas: Vec<QuotaStatus>,
    pub(crate) routes: Vec<RouteStatus>,
    pub(crate) plugins: Vec<PluginStatus>,
}

/// A quota, by its key in the configuration: what there may be, and what there is of it where that is a number of things.
#[derive(Debug, Serialize)]
pub(crate) struct QuotaStatus {
    pub(crate) quota: &'static str,
    /// As it is written; none where there is no end.
    pub(crate) max: Option<String>,
    pub(crate) used: Option<usize>,
}

/// A route of a tenant.
#[derive(Debug, Serialize)]
pub(crate) struct RouteStatus {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) behavior: Option<String>,
    pub(crate) authenticators: Vec<String>,
    pub(crate) connections: usize,
}

// === impl Control ===

impl Control {
    /// Every plugin: those that all share by name, then those of tenants.
    pub(crate) fn plugins(&self) -> Vec<PluginStatus> {
        self.live().plugins().map(PluginStatus::of).collect()
    }

    /// One plugin.
    pub(crate) fn plugin(&self, id: &str) -> Result<PluginStatus, ChangeError> {
        find(&self.live(), id).map(PluginStatus::of)
    }

    /// A connection that a plugin serves.
    pub(crate) fn connection(&self, id: u64) -> Option<ConnectionStatus> {
        let instance = self.live().plugins().find_map(|plugin| plugin.instance_of(id.into()))?;
        Some(ConnectionStatus { id, instance })
    }

    /// Every tenant, by name.
    pub(crate) fn tenants(&self) -> Vec<TenantStatus> {
        self.live().tenants.iter().map(|(name, tenant)| TenantStatus::of(name, tenant)).collect()
    }

    /// One tenant.
    pub(crate) fn tenant(&self, name: &str) -> Option<TenantDetails> {
        let live = self.live();
        let (name, tenant) = live.tenants.get_key_value(&name.parse::<TenantName>().ok()?)?;
        Some(TenantDetails {
            name: name.to_string(),
            file: file(tenant),
            quotas: self.quotas(tenant),
            routes: tenant.routes.values().map(RouteStatus::of).collect(),
            plugins: tenant.plugins.values().map(PluginStatus::of).collect(),
        })
    }

    fn quotas(&self, LiveTenant { tenant, .. }: &LiveTenant) -> Vec<QuotaStatus> {
        let Quotas {
            connections,
            messages,
            bytes_per_second,
            topics,
            instances,
            memory,
            cpu,
            timers,
            log_lines,
            saved_state,
        } = tenant.quotas();
        let count = |quota, max: Option<usize>, used| {
            let max = max.map(|max| max.to_string());
            QuotaStatus { quota, max, used: Some(used) }
        };
        let rate = |quota, max: Option<String>| QuotaStatus { quota, max, used: None };
        vec![
            count("max_connections", connections, tenant.connections().used()),
            rate("messages_per_second", messages.map(|rate| rate.to_string())),
            rate("bytes_per_second", bytes_per_second.map(|bytes| bytes.to_string())),
            count("max_topics", topics, tenant.topics().used()),
            count("max_instances", instances, self.0.site.engine.instances_of(tenant.name())),
            count("max_memory", memory, tenant.memory().used()),
            rate("cpu", cpu.map(|cpu| cpu.as_secs_f64().to_string())),
            count("max_timers", timers, tenant.timers().used()),
            rate("log_lines_per_second", log_lines.map(|rate| rate.to_string())),
            count("max_saved_state", saved_state, tenant.saved_state().used()),
        ]
    }
}

// === impl PluginStatus ===

impl PluginStatus {
    fn of(plugin: &Plugin) -> Self {
        let (state, problem) = match plugin.state() {
            PluginState::Deferred => ("deferred", None),
            PluginState::Loading => ("loading", None),
            PluginState::Failed(why) => ("failed", Some(why)),
            PluginState::Loaded => ("loaded", None),
        };
        Self { name: plugin.id().to_string(), kind: plugin.kind(), state, problem, versions: plugin.versions() }
    }
}

// === impl TenantStatus ===

impl TenantStatus {
    fn of(name: &TenantName, tenant: &LiveTenant) -> Self {
        Self {
            name: name.to_string(),
            file: file(tenant),
            routes: tenant.routes.len(),
            plugins: tenant.plugins.len(),
            connections: tenant.tenant.connections().used(),
        }
    }
}

fn file(tenant: &LiveTenant) -> Option<String> {
    tenant.file.as_ref().map(|file| file.file.to_string())
}

// === impl RouteStatus ===

impl RouteStatus {
    fn of(route: &LiveRoute) -> Self {
        let plan = &route.plan;
        Self {
            name: plan.config.name.to_string(),
            path: plan.shown_path.clone(),
            hosts: plan.config.hosts.clone(),
            behavior: plan.behavior.as_ref().map(ToString::to_string),
            authenticators: plan.authenticators.iter().map(ToString::to_string).collect(),
            connections: route.connections.count(),
        }
    }
}
