//! The sections `[quotas]` and `[tenant.NAME]`: what the routes of a tenant may have together.

use super::{reader::Table, routes::RoutePlan, sections};
use socklet_core::{Quotas, TenantName, suggest::unknown};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The quotas of tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantPlans {
    of_each: Quotas,
    named: BTreeMap<TenantName, Quotas>,
}

// === impl TenantPlans ===

impl TenantPlans {
    /// Whether a tenant has a section of its own.
    pub(super) fn is_named(&self, tenant: &TenantName) -> bool {
        self.named.contains_key(tenant)
    }

    /// What a tenant may have.
    pub(crate) fn quotas(&self, tenant: &TenantName) -> &Quotas {
        self.named.get(tenant).unwrap_or(&self.of_each)
    }
}

/// The tenants of the main file. A section that no route belongs to is a mistake, unless there are routes that could not be read: it
/// would be a misspelled name, and the tenant that was meant would have no quota.
pub(super) fn tenants(
    top: &Table<'_>,
    of_each: &sections::Quotas,
    routes: Option<&[Arc<RoutePlan>]>,
) -> Option<TenantPlans> {
    let with_route: Option<BTreeSet<_>> = routes.map(|routes| routes.iter().map(|route| &route.tenant).collect());
    let tenant = |(name, table): (&str, Table<'_>)| {
        let section = sections::Quotas::read(&table, Some(of_each));
        let name = match name.parse::<TenantName>() {
            Ok(name) => name,
            Err(error) => {
                table.wrong_here(error.to_string());
                return None;
            }
        };
        if let Some(known) = with_route.as_ref().filter(|known| !known.contains(&name)) {
            let known = known.iter().map(|name| name.as_str());
            let unknown = unknown(&format!("tenant {name}"), name.as_str(), known);
            table.wrong_here(format!("it has no route: {unknown}"));
        }
        Some((name, quotas(&section?)))
    };
    let named: Vec<_> = top.named("tenant").into_iter().map(tenant).collect();
    Some(TenantPlans { of_each: quotas(of_each), named: named.into_iter().collect::<Option<_>>()? })
}

pub(super) fn quotas(section: &sections::Quotas) -> Quotas {
    Quotas {
        connections: section.max_connections.0.map(|count| count.0),
        connection_rate: section.connection_rate.0,
        messages: section.messages_per_second.0,
        bytes_per_second: section.bytes_per_second.0.map(|size| size.0 as u64),
        topics: section.max_topics.0.map(|count| count.0),
        instances: section.max_instances.0.map(|count| count.0),
        memory: section.max_memory.0.map(|size| size.0),
        cpu: section.cpu.0.map(|cores| cores.0),
        timers: section.max_timers.0.map(|count| count.0),
        log_lines: section.log_lines_per_second.0,
        saved_state: section.max_saved_state.0.map(|size| size.0),
        keyvalue: section.max_keyvalue.0.map(|size| size.0),
        http_requests: section.max_http_requests.0.map(|count| count.0),
    }
}
