//! A route: where it is found, who judges its requests, who serves its connections.

use crate::{
    RouteConfig, RouteConflict,
    registry::RouteConnections,
    routing::{RouteEntry, RouteTable},
};
use socklet_core::{Authenticator, Behavior, Tenant, TenantName};
use std::sync::Arc;

/// A route of a tenant.
#[derive(Debug)]
pub struct Route {
    pub(crate) config: Arc<RouteConfig>,
    pub(crate) connections: Arc<RouteConnections>,
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
    pub(crate) behavior: Option<Arc<dyn Behavior>>,
}

/// All routes of a node; none by default.
#[derive(Debug, Default)]
pub struct Routes {
    pub(crate) table: RouteTable<Arc<Route>>,
    pub(crate) all: Vec<Arc<Route>>,
}

// === impl Route ===

impl Route {
    /// A route. Without authenticators everybody may connect; without a behavior it serves only files.
    pub fn new(
        config: Arc<RouteConfig>,
        connections: Arc<RouteConnections>,
        authenticators: Vec<Arc<dyn Authenticator>>,
        behavior: Option<Arc<dyn Behavior>>,
    ) -> Self {
        Self { config, connections, authenticators, behavior }
    }

    /// Who it belongs to.
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        self.connections.tenant()
    }
}

// === impl Routes ===

impl Routes {
    /// All routes of a node, in the order of configuration.
    ///
    /// # Errors
    ///
    /// When two of them cannot be told apart.
    pub fn new(routes: Vec<Arc<Route>>) -> Result<Self, RouteConflict> {
        let entries = routes
            .iter()
            .map(|route| entry(route.tenant().name(), &route.config, route.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self { table: RouteTable::new(entries)?, all: routes })
    }

    /// What keeps routes from being served together, by their numbers: each that cannot be told apart from one before it.
    pub fn conflicts<'a>(
        routes: impl Iterator<Item = (&'a TenantName, &'a RouteConfig)>,
    ) -> Vec<(usize, RouteConflict)> {
        let (mut numbers, mut entries, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (tenant, config)) in routes.enumerate() {
            match entry(tenant, config, ()) {
                Ok(entry) => {
                    numbers.push(number);
                    entries.push(entry);
                }
                Err(conflict) => conflicts.push((number, conflict)),
            }
        }
        let (_, clashes) = RouteTable::without_conflicts(entries);
        conflicts.extend(clashes.into_iter().map(|(index, conflict)| (numbers[index], conflict)));
        conflicts
    }
}

fn entry<T>(tenant: &TenantName, config: &RouteConfig, value: T) -> Result<RouteEntry<T>, RouteConflict> {
    let name = format!("{tenant}/{}", config.name);
    RouteEntry::parse(name, config.listeners.clone(), &config.hosts, config.path.clone(), &config.headers, value)
}
