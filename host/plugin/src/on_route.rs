//! A plugin on a route, from before it is loaded: what the server calls.

use crate::{
    auth::PluginAuthenticator, config::RouteInstances, contract::Kind, plugin::Plugin, rest::NoSleep, serving::Serving,
    swap::Line,
};
use socklet_core::{
    Authenticator, Behavior, BoxFuture, CallError, ConnectionId, Connections, InstanceStatus, PluginId, Principal,
    RouteName, Tenant, UpgradeRequest, Upgraded, Verdict,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tracing::error;

/// When to come back to a plugin that turned out to be of the wrong kind: somebody has to change the configuration.
const WRONG: Duration = Duration::from_secs(60);

/// A plugin as the behavior of a route. Clones are the same.
#[derive(Clone)]
pub struct RouteBehavior(Arc<BehaviorOnRoute>);

/// A plugin as an authenticator of a route. Clones are the same.
#[derive(Clone)]
pub struct RouteAuthenticator(Arc<AuthenticatorOnRoute>);

struct BehaviorOnRoute {
    place: Place,
    // A std lock: held for a look and never across an await.
    instances: RwLock<RouteInstances>,
    connections: Arc<dyn Connections>,
    /// Made for the first request.
    serving: OnceLock<Arc<Serving>>,
}

struct AuthenticatorOnRoute {
    place: Place,
    /// Made for the first request.
    authenticator: OnceLock<Arc<PluginAuthenticator>>,
}

/// A plugin on a route.
struct Place {
    plugin: Plugin,
    tenant: Arc<Tenant>,
    route: RouteName,
    /// Set when it was told that the plugin is of the wrong kind.
    told: OnceLock<()>,
}

// === impl RouteBehavior ===

impl RouteBehavior {
    pub(crate) fn new(
        plugin: Plugin,
        tenant: Arc<Tenant>,
        route: RouteName,
        instances: RouteInstances,
        connections: Arc<dyn Connections>,
    ) -> Self {
        let (place, instances) = (Place::new(plugin, tenant, route), RwLock::new(instances));
        Self(Arc::new(BehaviorOnRoute { place, instances, connections, serving: OnceLock::new() }))
    }

    /// Takes over when instances sleep, from the next call of each on, and how many may die. Who shares an instance stays what it is.
    pub fn set_instances(&self, instances: &RouteInstances) {
        let mut current = self.0.instances.write().unwrap_or_else(PoisonError::into_inner);
        *current = RouteInstances { policy: current.policy.clone(), ..instances.clone() };
        if let Some(serving) = self.0.serving.get() {
            serving.set(&current);
        }
    }

    /// Puts the instance that serves a connection to sleep now, as idleness would.
    ///
    /// # Errors
    ///
    /// See [`NoSleep`].
    pub async fn hibernate(&self, connection: ConnectionId) -> Result<(), NoSleep> {
        match self.0.serving.get() {
            Some(serving) => serving.hibernate(connection).await,
            None => Err(NoSleep::Unknown),
        }
    }

    /// Ends the instance that serves a connection as if it had trapped between two calls: all its connections close with 1011. Whether
    /// there was one.
    pub async fn kill(&self, connection: ConnectionId) -> bool {
        match self.0.serving.get() {
            Some(serving) => serving.kill(connection).await,
            None => false,
        }
    }

    /// The timers that are set where a connection is served, by name, and in how long each is due.
    pub fn timers_of(&self, connection: ConnectionId) -> BTreeMap<String, Duration> {
        self.0.serving.get().map(|serving| serving.timers_of(connection)).unwrap_or_default()
    }
}

impl Behavior for RouteBehavior {
    fn upgrade(
        &self,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> BoxFuture<Result<Upgraded, CallError>> {
        if let Some(serving) = self.0.serving.get() {
            return Box::pin(serving.clone().upgrade(request, principal));
        }
        let behavior = self.0.clone();
        Box::pin(async move {
            let serving = behavior.begin(behavior.place.plugin.need().await?)?;
            serving.upgrade(request, principal).await
        })
    }

    fn plugin(&self) -> Option<&PluginId> {
        Some(self.0.place.plugin.id())
    }

    fn instance_of(&self, connection: ConnectionId) -> Option<InstanceStatus> {
        self.0.serving.get()?.instance_of(connection)
    }
}

impl fmt::Debug for RouteBehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteBehavior").field(&self.0.place).finish()
    }
}

// === impl BehaviorOnRoute ===

impl BehaviorOnRoute {
    fn begin(&self, line: &Line) -> Result<Arc<Serving>, CallError> {
        self.place.check(line, Kind::Behavior)?;
        // Held until it is there: who changes them meanwhile waits, and finds it.
        let instances = self.instances.read().unwrap_or_else(PoisonError::into_inner);
        let Place { tenant, route, .. } = &self.place;
        let serving = self.serving.get_or_init(|| {
            let made = line.employ(|current, before| {
                Serving::new((current, before), tenant, route, instances.clone(), self.connections.clone())
            });
            made.expect("all versions of a plugin are of the kind of the first")
        });
        Ok(serving.clone())
    }
}

// === impl RouteAuthenticator ===

impl RouteAuthenticator {
    pub(crate) fn new(plugin: Plugin, tenant: Arc<Tenant>, route: RouteName) -> Self {
        let place = Place::new(plugin, tenant, route);
        Self(Arc::new(AuthenticatorOnRoute { place, authenticator: OnceLock::new() }))
    }
}

impl Authenticator for RouteAuthenticator {
    fn authenticate(&self, request: Arc<UpgradeRequest>) -> BoxFuture<Result<Verdict, CallError>> {
        if let Some(authenticator) = self.0.authenticator.get() {
            return authenticator.authenticate(request);
        }
        let on_route = self.0.clone();
        Box::pin(async move {
            let authenticator = on_route.begin(on_route.place.plugin.need().await?)?;
            authenticator.authenticate(request).await
        })
    }

    fn plugin(&self) -> Option<&PluginId> {
        Some(self.0.place.plugin.id())
    }
}

impl fmt::Debug for RouteAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteAuthenticator").field(&self.0.place).finish()
    }
}

// === impl AuthenticatorOnRoute ===

impl AuthenticatorOnRoute {
    fn begin(&self, line: &Line) -> Result<Arc<PluginAuthenticator>, CallError> {
        self.place.check(line, Kind::Authenticator)?;
        let Place { tenant, route, .. } = &self.place;
        let authenticator = self.authenticator.get_or_init(|| {
            let made = line.employ(|current, before| PluginAuthenticator::new((current, before), tenant, route));
            made.expect("all versions of a plugin are of the kind of the first")
        });
        Ok(authenticator.clone())
    }
}

// === impl Place ===

impl Place {
    fn new(plugin: Plugin, tenant: Arc<Tenant>, route: RouteName) -> Self {
        Self { plugin, tenant, route, told: OnceLock::new() }
    }

    /// Whether the plugin is what the route takes it for. Told of once.
    fn check(&self, line: &Line, wanted: Kind) -> Result<(), CallError> {
        let actual = line.current().kind();
        if actual == wanted {
            return Ok(());
        }
        if self.told.set(()).is_ok() {
            let Self { plugin, tenant, route, .. } = self;
            let (is, used_as) = (actual.described(), wanted.described());
            error!(%tenant, %route, plugin = %plugin.id(), is, used_as, "the route refuses requests: its plugin is of the other kind");
        }
        Err(CallError::Resting { retry_after: WRONG })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("plugin", self.plugin.id())
            .field("tenant", self.tenant.name())
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
