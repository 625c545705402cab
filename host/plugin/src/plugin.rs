//! The plugins of a host, and one loaded plugin.

use crate::{
    auth::PluginAuthenticator,
    cache::Cache,
    compiler::Compiler,
    config::{EngineConfig, PluginConfig, RouteInstances},
    contract::Kind,
    engine::Engines,
    error::{EngineError, LoadError, WrongKind},
    fair::Share,
    guests::Guests,
    load::{Tools, prepare},
    loaded::{Common, Loaded},
    meter::Place,
    metrics::Metrics,
    serving::{PluginBehavior, Serving},
    swap::{self, Line, NothingBefore, VersionStatus},
    trial::Trial,
    usage::UsageRow,
};
use prometheus_client::registry::Registry;
use socklet_core::{Authenticator, Behavior, Connections, PluginName, Quotas, RouteName, Tenant};
use std::{fmt, sync::Arc};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio_util::sync::CancellationToken;

/// Components that are read and compiled at the same time; each may take hundreds of megabytes meanwhile.
const LOADS: usize = 2;

/// The plugins of a host: engine, guest threads, cache. Cheap to clone.
#[derive(Clone)]
pub struct Plugins(Arc<Inner>);

/// A loaded plugin, with all its versions. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    name: PluginName,
    kind: Kind,
    line: Arc<Line>,
    plugins: Plugins,
}

/// What came of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// There is a new version. It serves new connections from now on; the others move to it as they can.
    To(VersionStatus),
    /// The component and its configuration are what they were: nothing was done.
    Unchanged,
}

/// A version that is loaded and not in use. Until it is installed or dropped, the plugin takes no other.
#[must_use = "a version does nothing until it is installed"]
#[derive(Debug)]
pub struct NextVersion {
    plugin: Plugin,
    loaded: Arc<Loaded>,
    _swapping: OwnedMutexGuard<()>,
}

struct Inner {
    engines: Engines,
    cache: Cache,
    compiler: Compiler,
    common: Arc<Common>,
    loads: Semaphore,
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
        let metrics = Metrics::register(registry, config.herald.clone());
        let common = Arc::new(Common::new(guests, metrics));
        let (compiler, loads) = (config.compiler, Semaphore::new(LOADS));
        Ok(Self(Arc::new(Inner { engines, cache, compiler, common, loads })))
    }

    /// Loads a plugin: reads, checks and compiles it, or takes it from the cache, and starts it once to see that it does. Dropping
    /// the future ends a child that compiles.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; each says what to do.
    pub async fn load(&self, config: PluginConfig) -> Result<Plugin, LoadError> {
        let first = self.load_version(config, 1, Trial::none()).await?;
        let (name, kind) = (first.name().clone(), first.kind());
        Ok(Plugin { name, kind, line: Line::new(first), plugins: self.clone() })
    }

    /// What all plugins have used since they were loaded, by tenant, route and version.
    pub fn usage(&self) -> Vec<UsageRow> {
        self.0.common.ledger.rows()
    }

    /// Whoever bills has safely kept these rows: those of versions that are gone need not be kept here any longer, and peaks start
    /// anew.
    pub fn usage_was_taken(&self, rows: &[UsageRow]) {
        self.0.common.ledger.taken(rows);
    }

    async fn load_version(&self, config: PluginConfig, number: u32, trial: Trial) -> Result<Arc<Loaded>, LoadError> {
        let inner = self.0.clone();
        let lost = |_| LoadError::Host("the host is going down, or its code panicked".into());
        let _permit = self.0.loads.acquire().await.expect("never closed");
        // A thread cannot be told that nobody waits for it any more, what it waits for can.
        let canceled = CancellationToken::new();
        let _waiting = canceled.clone().drop_guard();
        let common = &self.0.common;
        let (prepared, config) = common
            .guests
            .run_blocking(move || {
                let tools = Tools { cache: &inner.cache, compiler: &inner.compiler, canceled: &canceled };
                let prepared = prepare(&config, &inner.engines, &tools)?;
                Ok::<_, LoadError>((prepared, config.without_bytes()))
            })
            .await
            .map_err(lost)??;
        let loaded = Arc::new(Loaded::new(number, trial, config, prepared, common.clone()));
        // It takes turns with all tenants.
        let host = Arc::new(Tenant::new("-".parse().expect("a valid name"), Quotas::default()));
        let start = Box::pin(loaded.clone().try_start(host.clone()));
        common.guests.run(Place::Guests, &Share::new(host), start).await.map_err(lost)??;
        Ok(loaded)
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
        self.kind
    }

    /// Its configured name.
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// `sha256:` and 64 hex digits of the current version.
    pub fn digest(&self) -> String {
        self.line.current().digest().to_owned()
    }

    /// The plugin as an authenticator of a route.
    ///
    /// # Errors
    ///
    /// When it is a behavior.
    pub fn authenticator(&self, tenant: &Arc<Tenant>, route: &RouteName) -> Result<Arc<dyn Authenticator>, WrongKind> {
        match self.line.employ(|loaded| PluginAuthenticator::new(loaded, tenant, route)) {
            Some(authenticator) => Ok(authenticator),
            None => Err(WrongKind { actual: self.kind, wanted: Kind::Authenticator }),
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
        match self.line.employ(|loaded| Serving::new(loaded, tenant, route, instances, connections)) {
            Some(serving) => Ok(Arc::new(PluginBehavior(serving))),
            None => Err(WrongKind { actual: self.kind, wanted: Kind::Behavior }),
        }
    }

    /// Loads a new version and has it take over: requests and new connections get it at once, and instances of the old one are
    /// replaced between their calls by instances that load what those saved; no connection is closed for it. Instances that cannot
    /// save serve their connections to their end, or not, see [`PluginConfig::on_swap`].
    ///
    /// A version that kills its instances in its first calls gives way to the one before it by itself.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]: the old version goes on then.
    pub async fn swap(&self, config: PluginConfig) -> Result<Swapped, LoadError> {
        Ok(self.load_next(config).await?.install())
    }

    /// The first half of [`Plugin::swap`]: the new version is loaded, and does not serve yet. For several plugins that change together or
    /// not at all.
    ///
    /// # Errors
    ///
    /// See [`LoadError`].
    pub async fn load_next(&self, config: PluginConfig) -> Result<NextVersion, LoadError> {
        let swapping = self.line.swapping.clone().lock_owned().await;
        let loaded = self.load_of_same_kind(config).await;
        if loaded.is_err() {
            self.plugins.0.common.metrics.swapped("refused");
        }
        Ok(NextVersion { plugin: self.clone(), loaded: loaded?, _swapping: swapping })
    }

    async fn load_of_same_kind(&self, config: PluginConfig) -> Result<Arc<Loaded>, LoadError> {
        let loaded = self.plugins.load_version(config, self.line.next_number(), Trial::new()).await?;
        if loaded.kind() != self.kind {
            return Err(LoadError::Misfit(vec![swap::other_kind(self.kind, loaded.kind())]));
        }
        Ok(loaded)
    }

    /// Has the version before the current one take over again, in the same way. Rolling back twice comes back to where it began.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn roll_back(&self) -> Result<VersionStatus, NothingBefore> {
        self.line.roll_back().map(|loaded| swap::status(&loaded))
    }

    /// The versions that are in use or can be brought back, the newest first.
    pub fn versions(&self) -> Vec<VersionStatus> {
        self.line.versions()
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

// === impl NextVersion ===

impl NextVersion {
    /// The second half of [`Plugin::swap`]. Waits for nothing.
    pub fn install(self) -> Swapped {
        let line = &self.plugin.line;
        if self.loaded.is_same(&line.current()) {
            return Swapped::Unchanged;
        }
        let status = swap::status(&self.loaded);
        line.advance(self.loaded);
        Swapped::To(status)
    }
}
