//! Parts of a node that are drained while the rest goes on: nobody new comes in there, and whoever is there goes.

use crate::{Drain, DrainReport, Leaving, Server, closing::Progress, registry::Peer};
use socklet_core::{CloseReason, ListenerName, PluginId, RouteName, TenantName};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

/// What is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    Node,
    /// Those who came in through a listener.
    Listener(ListenerName),
    /// Those of all routes of a tenant.
    Tenant(TenantName),
    /// Those of a route.
    Route(TenantName, RouteName),
    /// Those whose instance is of this version of a plugin. Nobody is kept from coming in: that is for the version that is current.
    Version(PluginId, u32),
}

// === impl Scope ===

impl Scope {
    /// The tenant that it belongs to, if it belongs to one.
    pub fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Node | Self::Listener(_) => None,
            Self::Tenant(tenant) | Self::Route(tenant, _) => Some(tenant),
            Self::Version(plugin, _) => plugin.tenant.as_ref(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Listener(listener) => write!(f, "listener {listener}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Route(tenant, route) => write!(f, "route {tenant}/{route}"),
            Self::Version(plugin, version) => write!(f, "plugin {plugin} version {version}"),
        }
    }
}

// === impl Server ===

impl Server {
    /// Lets nobody new in there, or does so again; who is refused is told to come back in a moment. False: there is no such part.
    pub fn hold(&self, scope: &Scope, held: bool) -> bool {
        match scope {
            Scope::Node => {
                self.inner.held.store(held, Ordering::SeqCst);
                true
            }
            Scope::Listener(listener) => self.inner.listeners.gate(listener).map(|gate| gate.hold(held)).is_some(),
            Scope::Tenant(name) => {
                let routes = self.inner.routes.load();
                let tenant = routes.all.iter().map(|route| route.tenant()).find(|tenant| tenant.name() == name);
                tenant.map(|tenant| tenant.hold(held)).is_some()
            }
            Scope::Route(tenant, route) => {
                let found = self.route(tenant.as_str(), route.as_str());
                found.map(|found| found.connections().hold(held)).is_some()
            }
            Scope::Version(plugin, _) => self.inner.routes.load().all.iter().any(|route| {
                let behavior = route.behavior.as_ref().and_then(|behavior| behavior.plugin());
                behavior == Some(plugin)
            }),
        }
    }

    /// Closes whoever is in a part of the node, at the pace of a drain; at its deadline what is left is cut off. Waits until they are gone.
    /// Nobody is kept from coming in by this: see [`Server::hold`]. Dropping the future leaves those alone who were not closed yet.
    pub async fn drain_only(&self, scope: &Scope, plan: &Drain, progress: &Progress) -> DrainReport {
        let leaving = Leaving::new(self.within(scope), &CloseReason::Draining(plan.close.clone()));
        leaving.go(plan, progress).await
    }

    /// How many connections are there, those that are opening or closing included.
    pub fn connections_in(&self, scope: &Scope) -> usize {
        self.within(scope).len()
    }

    fn within(&self, scope: &Scope) -> Vec<Arc<Peer>> {
        let of = |wanted: &dyn Fn(&TenantName, &RouteName) -> bool| {
            let mut peers = Vec::new();
            for route in self.routes() {
                let connections = route.connections();
                if wanted(connections.tenant().name(), connections.name()) {
                    peers.extend(connections.peers());
                }
            }
            peers
        };
        match scope {
            Scope::Node => self.inner.peers(),
            Scope::Listener(listener) => {
                let mut peers = self.inner.peers();
                peers.retain(|peer| peer.about().gate.name() == listener);
                peers
            }
            Scope::Tenant(tenant) => of(&|of, _| of == tenant),
            Scope::Route(tenant, route) => of(&|of, name| of == tenant && name == route),
            Scope::Version(plugin, version) => {
                let mut peers = Vec::new();
                for route in &self.inner.routes.load().all {
                    let Some(behavior) = route.behavior.as_ref().filter(|one| one.plugin() == Some(plugin)) else {
                        continue;
                    };
                    let is_of = |peer: &Arc<Peer>| {
                        behavior.instance_of(peer.id()).is_some_and(|instance| instance.version == *version)
                    };
                    peers.extend(route.connections.peers().into_iter().filter(is_of));
                }
                peers
            }
        }
    }
}
