//! One version of a plugin: loaded, and proved to start.

use crate::{
    auth::Judge,
    census::Census,
    config::{OnSwap, PluginConfig, Source},
    contract::Kind,
    error::LoadError,
    grants::{Grant, Reach, Ways},
    guests::Guests,
    host::log::{GuestLog, clean},
    household::Households,
    instance::{BehaviorIndices, Indices, Linked},
    load::{AnyLinked, Prepared},
    meter::{Place, TimedOut, timed},
    metrics::Metrics,
    policy::InstancePolicy,
    rest::{Bedtime, Rules},
    slots::{Rooms, Slots},
    stamp::Stamp,
    state::Scope,
    surroundings::Surroundings,
    swap::{self, Line},
    trial::Trial,
    usage::{Ledger, Usage},
    version::Version,
};
use socklet_core::{Connections, News, PluginId, RouteName, Tenant, VersionChange};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};
use wasmtime_wasi_config::WasiConfigVariables;

/// One version of a plugin, whichever routes it is on.
pub(crate) struct Loaded {
    number: u32,
    digest: String,
    config: PluginConfig,
    linked: AnyLinked,
    /// For routes where every event has an instance of its own; what was not asked for at first can come later.
    fleeting: OnceLock<Arc<Linked<BehaviorIndices>>>,
    settings: Arc<WasiConfigVariables>,
    /// The file that it was, as long as that can be told from others.
    stamp: Mutex<Option<Stamp>>,
    reach: Reach,
    unused_grants: Vec<Grant>,
    census: Arc<Census>,
    trial: Trial,
    common: Arc<Common>,
    line: OnceLock<Weak<Line>>,
}

/// What all plugins of a host have in common.
pub(crate) struct Common {
    pub(crate) guests: Arc<Guests>,
    pub(crate) metrics: Metrics,
    pub(crate) ledger: Ledger,
    pub(crate) households: Households,
    pub(crate) surroundings: Option<Arc<dyn Surroundings>>,
    pub(crate) ways: Ways,
}

// === impl Common ===

impl Common {
    pub(crate) fn new(
        guests: Arc<Guests>,
        metrics: Metrics,
        surroundings: Option<Arc<dyn Surroundings>>,
        ways: Ways,
    ) -> Self {
        Self { guests, metrics, ledger: Ledger::default(), households: Households::default(), surroundings, ways }
    }
}

// === impl Loaded ===

impl Loaded {
    pub(crate) fn new(
        number: u32,
        trial: Trial,
        config: PluginConfig,
        prepared: Prepared,
        common: Arc<Common>,
    ) -> Result<Self, LoadError> {
        let Prepared { linked, fleeting, inspection, stamp } = prepared;
        let fleeting = fleeting.map_or_else(OnceLock::new, OnceLock::from);
        let settings = config.settings.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Self {
            number,
            digest: inspection.digest,
            reach: common.ways.reach(&config.grants)?,
            unused_grants: config.grants.unused(&inspection.imports),
            config,
            linked,
            fleeting,
            settings: Arc::new(settings),
            stamp: Mutex::new(stamp),
            census: Arc::default(),
            trial,
            common,
            line: OnceLock::new(),
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn name(&self) -> &PluginId {
        &self.config.name
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// What it is granted and does not import.
    pub(crate) fn unused_grants(&self) -> &[Grant] {
        &self.unused_grants
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.linked {
            AnyLinked::Authenticator(_) => Kind::Authenticator,
            AnyLinked::Behavior(_) => Kind::Behavior,
        }
    }

    /// Whether another is the same component with the same configuration.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest && self.config.is_same_but_for_source(&other.config)
    }

    /// Whether loading with this configuration would come to the same. False where that cannot be told without doing it.
    pub(crate) fn would_be_same(&self, config: &PluginConfig) -> bool {
        let Source::File(path) = &config.source else { return false };
        let prepared = self.fleeting.get().is_some() || !config.fleeting || self.config.fleeting;
        let same = PluginConfig { fleeting: self.config.fleeting, ..config.clone() } == self.config;
        prepared && same && self.stamp().as_ref().is_some_and(|stamp| stamp.is_of(path))
    }

    /// Takes over from another, which is the same, what it knows and this one does not.
    pub(crate) fn learn(&self, same: &Self) {
        if let Some(fleeting) = same.fleeting.get() {
            // Where there is one it is as good.
            let _ = self.fleeting.set(fleeting.clone());
        }
        *self.stamp() = same.stamp().take();
    }

    fn stamp(&self) -> MutexGuard<'_, Option<Stamp>> {
        self.stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn guests(&self) -> &Arc<Guests> {
        &self.common.guests
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.common.metrics
    }

    /// Tells operators that this version is current.
    pub(crate) fn announce(&self, how: VersionChange) {
        let (plugin, version, digest) = (self.name(), self.number, self.digest());
        self.metrics().tell(News::VersionChanged { plugin, version, digest, how });
    }

    pub(crate) fn credentials(&self) -> bool {
        self.config.grants.credentials
    }

    /// What becomes of connections that cannot move to this version.
    pub(crate) fn keeps_old(&self) -> bool {
        self.config.on_swap == OnSwap::Keep
    }

    pub(crate) fn census(&self) -> &Census {
        &self.census
    }

    pub(crate) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// A call killed its instance. Where the version is new and this happens too often, the plugin goes back to the one before it.
    pub(crate) fn died(self: &Arc<Self>) {
        if self.trial.died() {
            swap::fail(self);
        }
    }

    /// Its number is taken from now on.
    pub(crate) fn counts(&self) {
        self.common.ledger.has_version(&self.config.name, self.number);
    }

    pub(crate) fn join(&self, line: &Arc<Line>) {
        // A version belongs to one plugin.
        let _ = self.line.set(Arc::downgrade(line));
    }

    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        self.line.get()?.upgrade()
    }

    /// As the behavior of a route, with that route's connections and nothing else in reach. None for an authenticator.
    pub(crate) fn version(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        route: &RouteName,
        (policy, bedtime): (&InstancePolicy, &Arc<Bedtime>),
        connections: &Arc<dyn Connections>,
    ) -> Option<Arc<Version>> {
        let AnyLinked::Behavior(linked) = &self.linked else { return None };
        let rules = Rules {
            bedtime: bedtime.clone(),
            stateless: self.config.stateless,
            state_max: self.config.saved_state_max,
            calls_max: self.config.recycle_calls,
            memory_mark: self.config.recycle_memory.unwrap_or(self.config.limits.memory_max / 4 * 3),
        };
        let is_fleeting = *policy == InstancePolicy::Event;
        let linked = self.fleeting.get().filter(|_| is_fleeting).unwrap_or(linked).clone();
        let usage = self.usage(tenant, route);
        let scope = self.scope(tenant, route, (Some(connections.clone()), &self.reach), linked.slots(), usage);
        Some(Version::new(self.clone(), linked, scope, rules, is_fleeting))
    }

    /// As an authenticator of a route. None for a behavior.
    pub(crate) fn judge(self: &Arc<Self>, tenant: &Arc<Tenant>, route: &RouteName) -> Option<Arc<Judge>> {
        let AnyLinked::Authenticator(linked) = &self.linked else { return None };
        Some(Judge::new(
            self.clone(),
            linked.clone(),
            self.scope(tenant, route, (None, &self.reach), linked.slots(), self.usage(tenant, route)),
        ))
    }

    fn usage(&self, tenant: &Arc<Tenant>, route: &RouteName) -> Arc<Usage> {
        self.common.ledger.open(tenant.name(), route, &self.config.name, (self.number, &self.digest))
    }

    fn scope(
        &self,
        tenant: &Arc<Tenant>,
        route: &RouteName,
        (connections, reach): (Option<Arc<dyn Connections>>, &Reach),
        slots: &Slots,
        usage: Arc<Usage>,
    ) -> Arc<Scope> {
        let (timeout, wait) = match self.kind() {
            Kind::Authenticator => (Duration::from_secs(2), Duration::from_secs(5)),
            Kind::Behavior => (Duration::from_millis(100), Duration::from_secs(30)),
        };
        let (plugin, limits) = (&self.config.name, &self.config.limits);
        let household = self.common.households.get(tenant);
        let (metrics, surroundings) = (&self.common.metrics, &self.common.surroundings);
        let log = GuestLog::new(tenant.clone(), route.clone(), plugin.clone(), metrics.clone(), surroundings.clone());
        Arc::new(Scope {
            tenant: tenant.clone(),
            route: route.clone(),
            plugin: plugin.clone(),
            log: Arc::new(log),
            settings: self.settings.clone(),
            timeout: limits.timeout.unwrap_or(timeout),
            wait: limits.wait.unwrap_or(wait),
            limits: limits.clone(),
            connections,
            granted: reach.of(tenant, &household.requests),
            metrics: metrics.clone(),
            census: self.census.clone(),
            usage,
            rooms: Rooms::new(slots.clone(), household.slots.clone()),
            household,
            alone: self.common.guests.is_alone(),
            surroundings: surroundings.clone(),
        })
    }

    /// Instantiates the component once, under its limits, and drops it again.
    pub(crate) async fn try_start(self: Arc<Self>, tenant: Arc<Tenant>) -> Result<(), LoadError> {
        let route = "-".parse().expect("a valid name");
        // It serves nobody: nothing is in its reach.
        let nothing = Reach::default();
        let scope = |slots: &Slots| self.scope(&tenant, &route, (None, &nothing), slots, Arc::default());
        match &self.linked {
            AnyLinked::Authenticator(linked) => try_linked(linked, &scope(linked.slots())).await,
            AnyLinked::Behavior(linked) => {
                try_linked(linked, &scope(linked.slots())).await?;
                match self.fleeting.get() {
                    Some(fleeting) => try_linked(fleeting, &scope(fleeting.slots())).await,
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration carries secrets.
        f.debug_struct("Loaded")
            .field("name", self.name())
            .field("number", &self.number)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

async fn try_linked<I: Indices>(linked: &Linked<I>, scope: &Arc<Scope>) -> Result<(), LoadError> {
    // What a guest says when it dies is the guest's text.
    let failed = |error: wasmtime::Error| LoadError::Start(clean(&format!("{error:#}")).into_owned());
    let busy = |_| LoadError::Host("no instance was free to try it out".into());
    let slot = tokio::time::timeout(scope.wait, scope.rooms.passing()).await.map_err(busy)?;
    let sandbox = linked.sandbox(scope, slot, None).map_err(failed)?;
    let account = sandbox.account();
    match timed(&account, Place::Guests, Instant::now(), scope.wait, || linked.instantiate(sandbox)).await {
        Ok(started) => started.map(drop).map_err(failed),
        Err(TimedOut) => Err(LoadError::Start("it waited for too long".into())),
    }
}
