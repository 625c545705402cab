//! What runs now, and how it becomes what another configuration says.
//!
//! [`Site::prepare`] does everything that can fail: it loads plugins, binds sockets, builds routes. Nobody notices, and when any of it
//! fails all of it is dropped. [`Site::switch`] does the rest, waits for nothing and cannot fail. A server starts in the same way, from
//! nothing.

mod listeners;
mod plugins;
mod prepare;
mod report;
mod switch;
mod tenants;
#[cfg(test)]
mod tests;

pub(crate) use plugins::{check, is_fleeting, plugin_config};
pub(crate) use prepare::{Prepared, Refused};
pub(crate) use report::{Change, Entry, Report};

use crate::{
    certificates::Certificates,
    config::{Config, RoutePlan, TenantFile},
};
use socklet_core::{Authenticator, ListenerName, PluginId, PluginName, RouteName, Tenant, TenantName};
use socklet_plugin::{Plugin, Plugins, RouteBehavior};
use socklet_server::{ListenerConfig, Metrics, Route, RouteConnections, Server};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What routes and plugins are made with. Stays the same for as long as the server runs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) engine: Plugins,
    pub(crate) server: Server,
    pub(crate) certificates: Certificates,
    metrics: Metrics,
    /// Every tenant that there is, or that still has connections: one of each name counts for all of them.
    names: Mutex<HashMap<TenantName, Weak<Tenant>>>,
}

/// What runs: never changed, only replaced.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    /// The plugins that all tenants share.
    pub(crate) shared: BTreeMap<PluginName, Plugin>,
    pub(crate) tenants: BTreeMap<TenantName, Arc<LiveTenant>>,
    /// The listeners of the configuration, those that an operator has stopped included.
    pub(crate) listeners: BTreeMap<ListenerName, ListenerConfig>,
    pub(crate) stopped: BTreeSet<ListenerName>,
    /// Counts the changes.
    pub(crate) generation: u64,
}

/// A tenant with what it has.
#[derive(Debug)]
pub(crate) struct LiveTenant {
    pub(crate) tenant: Arc<Tenant>,
    /// Where it is written, if it has a file of its own.
    pub(crate) file: Option<Arc<TenantFile>>,
    /// Its own plugins.
    pub(crate) plugins: BTreeMap<PluginName, Plugin>,
    pub(crate) routes: BTreeMap<RouteName, LiveRoute>,
}

/// A route with what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct LiveRoute {
    pub(crate) plan: Arc<RoutePlan>,
    pub(crate) route: Arc<Route>,
    pub(crate) connections: Arc<RouteConnections>,
    authenticators: Vec<Arc<dyn Authenticator>>,
    behavior: Option<RouteBehavior>,
}

// === impl Site ===

impl Site {
    pub(crate) fn new(engine: Plugins, server: Server, certificates: Certificates, metrics: Metrics) -> Self {
        Self { engine, server, certificates, metrics, names: Mutex::default() }
    }

    /// The tenant of a name: the one that is there, or the one that is made by this.
    fn tenant(&self, name: &TenantName, make: impl FnOnce() -> Tenant) -> Arc<Tenant> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = names.get(name).and_then(Weak::upgrade) {
            return tenant;
        }
        // Not at every time: there may be thousands.
        if names.len().is_power_of_two() {
            names.retain(|_, tenant| tenant.strong_count() > 0);
        }
        let tenant = Arc::new(make());
        names.insert(name.clone(), Arc::downgrade(&tenant));
        tenant
    }
}

// === impl Live ===

impl Live {
    /// Nothing runs yet. What only a restart can change is as this configuration has it.
    pub(crate) fn nothing(config: Arc<Config>) -> Self {
        Self {
            config,
            shared: BTreeMap::new(),
            tenants: BTreeMap::new(),
            listeners: BTreeMap::new(),
            stopped: BTreeSet::new(),
            generation: 0,
        }
    }

    /// A plugin by what it is called.
    pub(crate) fn plugin(&self, id: &PluginId) -> Option<&Plugin> {
        match &id.tenant {
            None => self.shared.get(&id.name),
            Some(tenant) => self.tenants.get(tenant)?.plugins.get(&id.name),
        }
    }

    /// Every plugin: those that all share, then those of tenants.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.shared.values().chain(self.tenants.values().flat_map(|tenant| tenant.plugins.values()))
    }
}
