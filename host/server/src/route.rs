//! A route: where it is found, who judges its requests, who serves its connections.

use crate::{
    RouteConfig, RouteConflict,
    registry::RouteConnections,
    routing::{RouteEntry, RouteTable},
};
use socklet_core::{Authenticator, Behavior, Tenant};
use std::sync::Arc;

/// A route of a tenant.
#[derive(Debug)]
pub struct Route {
    pub(crate) config: RouteConfig,
    pub(crate) connections: Arc<RouteConnections>,
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
    pub(crate) behavior: Option<Arc<dyn Behavior>>,
}

/// All routes of a node.
#[derive(Debug)]
pub struct Routes {
    pub(crate) table: RouteTable<Arc<Route>>,
    pub(crate) all: Vec<Arc<Route>>,
}

// === impl Route ===

impl Route {
    /// A route. Without authenticators everybody may connect; without a behavior it serves only files.
    pub fn new(
        config: RouteConfig,
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
    pub fn new(routes: Vec<Route>) -> Result<Self, RouteConflict> {
        let all: Vec<_> = routes.into_iter().map(Arc::new).collect();
        let entry = |route: &Arc<Route>| {
            let config = &route.config;
            let name = format!("{}/{}", route.tenant(), config.name);
            let path = config.path.clone();
            RouteEntry::parse(name, config.listeners.clone(), &config.hosts, path, &config.headers, route.clone())
        };
        let entries = all.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { table: RouteTable::new(entries)?, all })
    }
}
