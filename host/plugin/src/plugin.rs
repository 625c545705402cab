//! The plugins of a host, and one plugin: its versions, or what it will be loaded from when it is needed.

use crate::{
    cache::Cache,
    compiler::Compiler,
    config::{EngineConfig, PluginConfig, RouteInstances},
    contract::Kind,
    deferred::{Deferred, Demand},
    engine::Engines,
    error::{EngineError, LoadError, WrongKind},
    fair::Share,
    grants::{Grant, Ways},
    guests::Guests,
    load::{Tools, prepare},
    loaded::{Common, Loaded},
    meter::Place,
    metrics::Metrics,
    on_route::{RouteAuthenticator, RouteBehavior},
    swap::{self, Line, NothingBefore, VersionStatus},
    trial::Trial,
    usage::UsageRow,
};
use prometheus_client::registry::Registry;
use socklet_core::{CallError, Connections, PluginId, Quotas, RouteName, Tenant, TenantName};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Components that are read and compiled at the same time; each may take hundreds of megabytes meanwhile.
const LOADS: usize = 2;

/// The plugins of a host: engine, guest threads, cache. Cheap to clone.
#[derive(Clone)]
pub struct Plugins(Arc<Inner>);

/// A plugin, with all its versions once it is loaded. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Held>);

struct Held {
    id: PluginId,
    plugins: Plugins,
    /// Its versions. Set when the first one is loaded.
    line: OnceLock<Arc<Line>>,
    /// What it is loaded from when it is needed, until then.
    deferred: Deferred,
    /// Held while a version is loaded: one at a time.
    swapping: Arc<Mutex<()>>,
}

/// When a plugin is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anybody can need it.
    Now,
    /// When the first request needs it.
    Needed,
}

/// How far a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// Nobody has needed it yet.
    Deferred,
    /// It was needed, and is being loaded.
    Loading,
    /// It was needed, and did not load: why. It is tried again with the next request after a while.
    Failed(String),
    /// It serves.
    Loaded,
}

/// What came of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// There is a new version. It serves new connections from now on; the others move to it as they can.
    To(VersionStatus),
    /// It is not loaded yet. When it is, it will be from this.
    Deferred,
    /// The component and its configuration are what they were: nothing was done.
    Unchanged,
}

/// A version that is loaded and not in use. Until it is installed or dropped, the plugin takes no other.
#[must_use = "a version does nothing until it is installed"]
#[derive(Debug)]
pub struct NextVersion {
    plugin: Plugin,
    next: Next,
    _swapping: OwnedMutexGuard<()>,
}

#[derive(Debug)]
enum Next {
    /// The file is the one that was read.
    Unchanged,
    Deferred(Box<PluginConfig>),
    /// Of a plugin that was not loaded.
    First(Arc<Loaded>),
    After(Arc<Loaded>),
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
        let guests = Arc::new(Guests::start(&config, engines.all())?);
        let metrics = Metrics::register(registry, config.herald.clone());
        let ways = Ways::new(config.http, config.keyvalue);
        let common = Arc::new(Common::new(guests, metrics, config.surroundings, ways));
        let (compiler, loads) = (config.compiler, Semaphore::new(LOADS));
        Ok(Self(Arc::new(Inner { engines, cache, compiler, common, loads })))
    }

    /// Loads a plugin: reads, checks and compiles it, or takes it from the cache, and starts it once to see that it does. Dropping
    /// the future ends a child that compiles. Plugins of the same bytes are compiled once and share their code.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; each says what to do.
    pub async fn load(&self, config: PluginConfig) -> Result<Plugin, LoadError> {
        let (id, number) = (config.name.clone(), self.0.common.ledger.next_version(&config.name));
        let first = self.load_version(config, number, Trial::none()).await?;
        Ok(Plugin::new(id, self, Deferred::never(), OnceLock::from(Line::new(first))))
    }

    /// A plugin that is loaded when the first request needs it. Where that fails, requests are refused for a while, and it is tried again.
    pub fn defer(&self, config: PluginConfig) -> Plugin {
        Plugin::new(config.name.clone(), self, Deferred::new(config), OnceLock::new())
    }

    /// What all plugins have used since they were loaded, by tenant, route and version.
    pub fn usage(&self) -> Vec<UsageRow> {
        self.0.common.ledger.rows()
    }

    /// From now on somebody bills by what was used: rows of versions that are gone are kept until [`Plugins::usage_was_taken`].
    pub fn keep_usage(&self) {
        self.0.common.ledger.bill();
    }

    /// Whoever bills has safely kept these rows: those of versions that are gone need not be kept here any longer, and peaks start
    /// anew.
    pub fn usage_was_taken(&self, rows: &[UsageRow]) {
        self.0.common.ledger.taken(rows);
    }

    /// The quotas of a tenant were changed: its instances have as much room as it says from now on. Those that are there stay.
    pub fn quotas_changed(&self, tenant: &Tenant) {
        if let Some(household) = self.0.common.households.find(tenant.name()) {
            let quotas = tenant.quotas();
            household.slots.resize(quotas.instances);
            household.requests.resize(quotas.http_requests);
        }
    }

    /// How many instances for connections a tenant has.
    pub fn instances_of(&self, tenant: &TenantName) -> usize {
        self.0.common.households.find(tenant).map_or(0, |household| household.slots.used())
    }

    pub(crate) fn guests(&self) -> &Arc<Guests> {
        &self.0.common.guests
    }

    pub(crate) async fn load_version(
        &self,
        config: PluginConfig,
        number: u32,
        trial: Trial,
    ) -> Result<Arc<Loaded>, LoadError> {
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
        let loaded = Arc::new(Loaded::new(number, trial, config, prepared, common.clone())?);
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
    fn new(id: PluginId, plugins: &Plugins, deferred: Deferred, line: OnceLock<Arc<Line>>) -> Self {
        Self(Arc::new(Held { id, plugins: plugins.clone(), line, deferred, swapping: Arc::default() }))
    }

    /// What it is for; none before it is loaded.
    pub fn kind(&self) -> Option<Kind> {
        self.line().map(|line| line.current().kind())
    }

    /// What it is called.
    pub fn id(&self) -> &PluginId {
        &self.0.id
    }

    /// `sha256:` and 64 hex digits of the current version; none before it is loaded.
    pub fn digest(&self) -> Option<String> {
        self.line().map(|line| line.current().digest().to_owned())
    }

    /// What it is granted and does not import. Empty before it is loaded.
    pub fn unused_grants(&self) -> Vec<Grant> {
        self.line().map(|line| line.current().unused_grants().to_vec()).unwrap_or_default()
    }

    /// How far it is.
    pub fn state(&self) -> PluginState {
        if self.line().is_some() { PluginState::Loaded } else { self.0.deferred.state_of() }
    }

    /// The plugin as an authenticator of a route.
    ///
    /// # Errors
    ///
    /// When it is known to be a behavior. Where that is found out later, requests are refused.
    pub fn authenticator(&self, tenant: &Arc<Tenant>, route: &RouteName) -> Result<RouteAuthenticator, WrongKind> {
        self.check_kind(Kind::Authenticator)?;
        Ok(RouteAuthenticator::new(self.clone(), tenant.clone(), route.clone()))
    }

    /// The plugin as the behavior of a route, with that route's connections and nothing else in reach.
    ///
    /// # Errors
    ///
    /// When it is known to be an authenticator. Where that is found out later, requests are refused.
    pub fn behavior(
        &self,
        tenant: &Arc<Tenant>,
        route: &RouteName,
        instances: RouteInstances,
        connections: Arc<dyn Connections>,
    ) -> Result<RouteBehavior, WrongKind> {
        self.check_kind(Kind::Behavior)?;
        Ok(RouteBehavior::new(self.clone(), tenant.clone(), route.clone(), instances, connections))
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
        Ok(self.load_next(config, When::Now).await?.install())
    }

    /// The first half of [`Plugin::swap`]: the new version is loaded, and does not serve yet. For several plugins that change together or
    /// not at all. A file that is known not to have changed is not read again. A plugin that is not loaded stays so where `when` says that
    /// nobody needs it yet.
    ///
    /// # Errors
    ///
    /// See [`LoadError`].
    pub async fn load_next(&self, config: PluginConfig, when: When) -> Result<NextVersion, LoadError> {
        let swapping = self.0.swapping.clone().lock_owned().await;
        let next = match (self.line(), when) {
            (None, When::Needed) => Ok(Next::Deferred(Box::new(config))),
            (None, When::Now) => self.load_first(config).await.map(Next::First),
            (Some(line), _) if line.current().would_be_same(&config) => Ok(Next::Unchanged),
            (Some(line), _) => self.load_after(line, config).await.map(Next::After),
        };
        if next.is_err() {
            self.0.plugins.0.common.metrics.swapped("refused");
        }
        Ok(NextVersion { plugin: self.clone(), next: next?, _swapping: swapping })
    }

    async fn load_first(&self, config: PluginConfig) -> Result<Arc<Loaded>, LoadError> {
        let plugins = &self.0.plugins;
        plugins.load_version(config, plugins.0.common.ledger.next_version(&self.0.id), Trial::none()).await
    }

    async fn load_after(&self, line: &Line, config: PluginConfig) -> Result<Arc<Loaded>, LoadError> {
        let loaded = self.0.plugins.load_version(config, line.last_number() + 1, Trial::new()).await?;
        let kind = line.current().kind();
        if loaded.kind() != kind {
            return Err(LoadError::Misfit(vec![swap::other_kind(kind, loaded.kind())]));
        }
        Ok(loaded)
    }

    /// Has the version before the current one take over again, in the same way. Rolling back twice comes back to where it began.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn roll_back(&self) -> Result<VersionStatus, NothingBefore> {
        self.line().ok_or(NothingBefore)?.roll_back().map(|loaded| swap::status(&loaded))
    }

    /// The versions that are in use or can be brought back, the newest first; none before it is loaded.
    pub fn versions(&self) -> Vec<VersionStatus> {
        self.line().map(|line| line.versions()).unwrap_or_default()
    }

    /// Its versions, once it is loaded.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        self.0.line.get()
    }

    /// Its versions; loads the first one where that was put off until now. Who stops waiting does not stop the loading.
    ///
    /// # Errors
    ///
    /// [`CallError::Resting`] where it did not load, a moment ago or now.
    pub(crate) async fn need(&self) -> Result<&Arc<Line>, CallError> {
        loop {
            if let Some(line) = self.line() {
                return Ok(line);
            }
            let guests = self.0.plugins.guests();
            match self.0.deferred.demand(guests.now())? {
                Demand::Wait(mut over) => {
                    // It is over, or whoever loaded is gone: both are seen above.
                    let _ = over.changed().await;
                }
                Demand::Load(loading) => {
                    let plugin = self.clone();
                    guests.keep(async move {
                        plugin.load_deferred().await;
                        drop(loading);
                    });
                }
            }
        }
    }

    async fn load_deferred(&self) {
        let _swapping = self.0.swapping.lock().await;
        if self.line().is_some() {
            return;
        }
        let Some(config) = self.0.deferred.config() else { return };
        match self.load_first(config).await {
            Ok(first) => self.begin(first),
            Err(error) => self.0.deferred.failed(&self.0.id, &error, self.0.plugins.guests().now()),
        }
    }

    /// From now on it is loaded.
    fn begin(&self, first: Arc<Loaded>) {
        let kind = first.kind().as_str();
        info!(plugin = %self.0.id, kind, version = first.number(), digest = first.digest(), "plugin loaded");
        // Whoever loads holds the lock for that: it is set once.
        let _ = self.0.line.set(Line::new(first));
    }

    fn check_kind(&self, wanted: Kind) -> Result<(), WrongKind> {
        match self.kind() {
            Some(actual) if actual != wanted => Err(WrongKind { actual, wanted }),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("id", &self.0.id).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

// === impl NextVersion ===

impl NextVersion {
    /// What it is for; none where it is not loaded.
    pub fn kind(&self) -> Option<Kind> {
        match &self.next {
            Next::Unchanged => self.plugin.kind(),
            Next::Deferred(_) => None,
            Next::First(loaded) | Next::After(loaded) => Some(loaded.kind()),
        }
    }

    /// Whether installing it will change anything.
    pub fn is_change(&self) -> bool {
        match &self.next {
            Next::Unchanged => false,
            Next::Deferred(config) => self.plugin.0.deferred.would_change(config),
            Next::First(_) => true,
            Next::After(loaded) => !self.plugin.line().is_some_and(|line| loaded.is_same(&line.current())),
        }
    }

    /// The second half of [`Plugin::swap`]. Waits for nothing.
    pub fn install(self) -> Swapped {
        let is_change = self.is_change();
        match (self.next, self.plugin.line()) {
            (Next::Deferred(config), _) => {
                self.plugin.0.deferred.set(*config);
                if is_change { Swapped::Deferred } else { Swapped::Unchanged }
            }
            (Next::First(loaded), _) => {
                let status = swap::status(&loaded);
                self.plugin.begin(loaded);
                Swapped::To(status)
            }
            (Next::After(loaded), Some(line)) if is_change => {
                let status = swap::status(&loaded);
                line.advance(loaded);
                Swapped::To(status)
            }
            (Next::After(same), Some(line)) => {
                line.current().learn(&same);
                Swapped::Unchanged
            }
            (Next::Unchanged | Next::After(_), _) => Swapped::Unchanged,
        }
    }
}
