//! The plugins of a host, and one loaded plugin.

use crate::{
    auth::PluginAuthenticator,
    cache::Cache,
    config::{CallLimits, EngineConfig, PluginConfig, RouteInstances},
    contract::Kind,
    engine::Engines,
    error::{EngineError, LoadError, WrongKind},
    guests::Guests,
    host::log::{GuestLog, clean},
    instance::{BehaviorIndices, Indices, Linked},
    load::{AnyLinked, Prepared, prepare},
    meter::{Place, TimedOut, timed},
    metrics::Metrics,
    policy::InstancePolicy,
    rest::Rules,
    serving::{PluginBehavior, Serving},
    state::Scope,
};
use prometheus_client::registry::Registry;
use socklet_core::{Authenticator, Behavior, Connections, PluginName, Quotas, RouteName, Tenant};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use wasmtime_wasi_config::WasiConfigVariables;

/// Components that are read and compiled at the same time; each may take hundreds of megabytes meanwhile.
const LOADS: usize = 2;

/// The plugins of a host: engine, guest threads, cache. Cheap to clone.
#[derive(Clone)]
pub struct Plugins(Arc<Inner>);

/// A loaded plugin. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plugin(Arc<Loaded>);

struct Inner {
    engines: Engines,
    guests: Arc<Guests>,
    cache: Cache,
    metrics: Metrics,
    loads: Semaphore,
}

/// What a plugin is on whichever route.
pub(crate) struct Loaded {
    name: PluginName,
    digest: String,
    linked: AnyLinked,
    fleeting: Option<Arc<Linked<BehaviorIndices>>>,
    settings: Arc<WasiConfigVariables>,
    limits: CallLimits,
    credentials: bool,
    stateless: bool,
    saved_state_max: usize,
    recycle_calls: Option<u64>,
    recycle_memory: usize,
    metrics: Metrics,
    guests: Arc<Guests>,
}

// === impl Plugins ===

impl Plugins {
    /// Sets the engine up and starts the guest threads. Metrics are registered without a prefix of their own.
    ///
    /// # Errors
    ///
    /// When the address space, the cache folder or a thread is not to be had.
    pub fn new(config: EngineConfig, registry: &mut Registry) -> Result<Self, EngineError> {
        let cache = Cache::open(&config.cache_dir)?;
        let engines = Engines::new(&config)
            .map_err(|error| EngineError::Engine { instances: config.max_instances, reason: format!("{error:#}") })?;
        let guests = Arc::new(Guests::start_threads(config.guest_threads, engines.all(), config.time)?);
        let metrics = Metrics::register(registry);
        Ok(Self(Arc::new(Inner { engines, guests, cache, metrics, loads: Semaphore::new(LOADS) })))
    }

    /// Loads a plugin: reads, checks and compiles it, or takes it from the cache, and starts it once to see that it does.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; each says what to do.
    pub async fn load(&self, config: PluginConfig) -> Result<Plugin, LoadError> {
        let inner = self.0.clone();
        let lost = |_| LoadError::Host("the host is going down, or its code panicked".into());
        let _permit = self.0.loads.acquire().await.expect("never closed");
        let (prepared, config) = self
            .0
            .guests
            .run_blocking(move || {
                let prepared = prepare(&config, &inner.engines, &inner.cache)?;
                Ok::<_, LoadError>((prepared, config))
            })
            .await
            .map_err(lost)??;
        let Prepared { linked, fleeting, inspection } = prepared;
        let memory_max = config.limits.memory_max;
        let loaded = Arc::new(Loaded {
            name: config.name,
            digest: inspection.digest,
            linked,
            fleeting,
            settings: Arc::new(config.settings.into_iter().collect()),
            limits: config.limits,
            credentials: config.grants.credentials,
            stateless: config.stateless,
            saved_state_max: config.saved_state_max,
            recycle_calls: config.recycle_calls,
            recycle_memory: config.recycle_memory.unwrap_or(memory_max / 4 * 3),
            metrics: self.0.metrics.clone(),
            guests: self.0.guests.clone(),
        });
        let trial = Box::pin(loaded.clone().try_start());
        self.0.guests.run(Place::Guests, trial).await.map_err(lost)??;
        Ok(Plugin(loaded))
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").finish_non_exhaustive()
    }
}

// === impl Plugin ===

impl Plugin {
    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// Its configured name.
    pub fn name(&self) -> &PluginName {
        &self.0.name
    }

    /// `sha256:` and 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// The plugin as an authenticator of a route.
    ///
    /// # Errors
    ///
    /// When it is a behavior.
    pub fn authenticator(&self, tenant: &Arc<Tenant>, route: &RouteName) -> Result<Arc<dyn Authenticator>, WrongKind> {
        match &self.0.linked {
            AnyLinked::Authenticator(linked) => {
                let scope = self.0.scope(tenant, route, None);
                Ok(Arc::new(PluginAuthenticator::new(self.0.clone(), linked.clone(), scope)))
            }
            AnyLinked::Behavior(_) => Err(WrongKind { actual: Kind::Behavior, wanted: Kind::Authenticator }),
        }
    }

    /// The plugin as the behavior of a route, with that route's connections and nothing else in reach.
    ///
    /// # Errors
    ///
    /// When it is an authenticator.
    pub fn behavior(
        &self,
        tenant: &Arc<Tenant>,
        route: &RouteName,
        instances: RouteInstances,
        connections: Arc<dyn Connections>,
    ) -> Result<Arc<dyn Behavior>, WrongKind> {
        match &self.0.linked {
            AnyLinked::Behavior(linked) => {
                let scope = self.0.scope(tenant, route, Some(connections));
                let rules = Rules {
                    after: instances.hibernate_after,
                    stateless: self.0.stateless,
                    state_max: self.0.saved_state_max,
                    calls_max: self.0.recycle_calls,
                    memory_mark: self.0.recycle_memory,
                };
                let fleeting = self.0.fleeting.as_ref().filter(|_| instances.policy == InstancePolicy::Event);
                let linked = fleeting.unwrap_or(linked).clone();
                let serving =
                    Serving::new(self.0.clone(), linked, scope, instances.policy, rules, instances.max_deaths);
                Ok(Arc::new(PluginBehavior(serving)))
            }
            AnyLinked::Authenticator(_) => Err(WrongKind { actual: Kind::Authenticator, wanted: Kind::Behavior }),
        }
    }
}

// === impl Loaded ===

impl Loaded {
    fn kind(&self) -> Kind {
        match self.linked {
            AnyLinked::Authenticator(_) => Kind::Authenticator,
            AnyLinked::Behavior(_) => Kind::Behavior,
        }
    }

    pub(crate) fn guests(&self) -> &Guests {
        &self.guests
    }

    pub(crate) fn credentials(&self) -> bool {
        self.credentials
    }

    fn scope(&self, tenant: &Arc<Tenant>, route: &RouteName, connections: Option<Arc<dyn Connections>>) -> Arc<Scope> {
        let (timeout, wait) = match self.kind() {
            Kind::Authenticator => (Duration::from_secs(2), Duration::from_secs(5)),
            Kind::Behavior => (Duration::from_millis(100), Duration::from_secs(30)),
        };
        Arc::new(Scope {
            tenant: tenant.clone(),
            route: route.clone(),
            plugin: self.name.clone(),
            log: Arc::new(GuestLog::new(tenant.name().clone(), route.clone(), self.name.clone())),
            settings: self.settings.clone(),
            limits: self.limits.clone(),
            timeout: self.limits.timeout.unwrap_or(timeout),
            wait: self.limits.wait.unwrap_or(wait),
            connections,
            metrics: self.metrics.clone(),
        })
    }

    /// Instantiates the component once, under its limits, and drops it again.
    async fn try_start(self: Arc<Self>) -> Result<(), LoadError> {
        let tenant = Arc::new(Tenant::new("-".parse().expect("a valid name"), Quotas::default()));
        let route = "-".parse().expect("a valid name");
        let scope = self.scope(&tenant, &route, None);
        match &self.linked {
            AnyLinked::Authenticator(linked) => try_linked(linked, &scope).await,
            AnyLinked::Behavior(linked) => {
                try_linked(linked, &scope).await?;
                match &self.fleeting {
                    Some(fleeting) => try_linked(fleeting, &scope).await,
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings carry secrets.
        f.debug_struct("Plugin").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}

async fn try_linked<I: Indices>(linked: &Linked<I>, scope: &Arc<Scope>) -> Result<(), LoadError> {
    // What a guest says when it dies is the guest's text.
    let failed = |error: wasmtime::Error| LoadError::Start(clean(&format!("{error:#}")).into_owned());
    let busy = |_| LoadError::Host("no instance was free to try it out".into());
    let slot = tokio::time::timeout(scope.wait, linked.slots().passing()).await.map_err(busy)?;
    let sandbox = linked.sandbox(scope, slot, None).map_err(failed)?;
    let account = sandbox.account();
    match timed(&account, Place::Guests, Instant::now(), scope.wait, || linked.instantiate(sandbox)).await {
        Ok(started) => started.map(drop).map_err(failed),
        Err(TimedOut) => Err(LoadError::Start("it waited for too long".into())),
    }
}
