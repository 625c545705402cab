//! What a store holds beside the guest: its budgets, and the one route that it can reach.

use crate::{
    census::Census,
    config::CallLimits,
    grants::Granted,
    host::{Outgoing, log::GuestLog, stdio::LineSink},
    household::Household,
    limits::Limits,
    meter::{Account, Meter, Place},
    metrics::{Hook, Metrics, Outcome},
    pace::Pace,
    slots::{Rooms, Slot},
    surroundings::{self, GuestOf, Surroundings},
    timers::Timers,
    usage::Usage,
};
use socklet_core::{Connections, PluginId, RouteName, Tenant};
use std::{fmt, sync::Arc, time::Duration};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Entries of the table of host resources (streams, pollables) of one instance.
const RESOURCES_MAX: usize = 1_000;
/// Bytes of randomness in one call.
const RANDOM_MAX: u64 = 64 << 10;

/// The data of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    pub(crate) limits: Limits,
    pub(crate) meter: Meter,
    pub(crate) scope: Arc<Scope>,
    /// None where nobody could be told that one is due.
    pub(crate) timers: Option<Arc<Timers>>,
    _slot: Slot,
}

/// One plugin on one route: what all its instances there have in common.
pub(crate) struct Scope {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) route: RouteName,
    pub(crate) plugin: PluginId,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) settings: Arc<WasiConfigVariables>,
    pub(crate) limits: CallLimits,
    /// CPU time per call.
    pub(crate) timeout: Duration,
    /// Wall-clock time per call.
    pub(crate) wait: Duration,
    /// None for authenticators.
    pub(crate) connections: Option<Arc<dyn Connections>>,
    /// What else it can reach.
    pub(crate) granted: Granted,
    pub(crate) metrics: Metrics,
    pub(crate) census: Arc<Census>,
    pub(crate) usage: Arc<Usage>,
    /// What the tenant has together.
    pub(crate) household: Arc<Household>,
    /// Where instances find room.
    pub(crate) rooms: Rooms,
    /// See [`crate::guests::Guests::is_alone`].
    pub(crate) alone: bool,
    /// None: the machine's.
    pub(crate) surroundings: Option<Arc<dyn Surroundings>>,
}

// === impl State ===

impl State {
    pub(crate) fn new(scope: Arc<Scope>, slot: Slot, timers: Option<Arc<Timers>>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        // No environment, arguments, files, input, name look-up: the builder's defaults. Sockets are allowed by default.
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(LineSink::stdout(scope.log.clone()))
            .stderr(LineSink::stderr(scope.log.clone()))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_MAX);
        if let Some(senses) = scope.surroundings.as_ref().and_then(|surroundings| surroundings.senses(scope.guest())) {
            surroundings::give(&mut wasi, senses);
        }
        let wasi = wasi.build();
        let account = Arc::new(Account::default());
        scope.metrics.live().inc();
        scope.census.born();
        Self {
            wasi,
            table,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing::new(scope.clone(), account.clone()),
            limits: Limits::new(scope.limits.memory_max, account.clone(), scope.clone()),
            meter: Meter::new(account, scope.timeout, &scope.limits, scope.alone),
            _slot: slot,
            timers,
            scope,
        }
    }

    /// What `wasi:keyvalue` works with.
    pub(crate) fn keyvalue(&mut self) -> (&mut ResourceTable, &mut Meter, &Scope) {
        (&mut self.table, &mut self.meter, &self.scope)
    }

    /// Enters into the books what the call has used.
    pub(crate) fn settle(&mut self) {
        self.scope.usage.settle(&mut self.meter.spent);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.settle();
        self.scope.metrics.live().dec();
        self.scope.census.gone();
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

// === impl Scope ===

impl Scope {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let (route, plugin): (RouteName, PluginId) = ("r".parse().expect("a name"), "p".parse().expect("a name"));
        let tenant = Arc::new(Tenant::new("t".parse().expect("a name"), socklet_core::Quotas::default()));
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default(), None);
        Self {
            log: Arc::new(GuestLog::new(tenant.clone(), route.clone(), plugin.clone(), metrics.clone(), None)),
            route,
            plugin,
            settings: Arc::default(),
            limits: CallLimits::default(),
            timeout: Duration::from_secs(1),
            wait: Duration::from_secs(1),
            connections: None,
            granted: Granted::default(),
            metrics,
            census: Arc::default(),
            usage: Arc::default(),
            rooms: Rooms::new(crate::slots::Slots::new(1), crate::slots::Slots::of_tenant(None)),
            household: Arc::new(Household::new(tenant.clone())),
            alone: false,
            surroundings: None,
            tenant,
        }
    }

    /// Whose guests these are.
    pub(crate) fn guest(&self) -> GuestOf<'_> {
        GuestOf { tenant: self.tenant.name(), route: &self.route, plugin: &self.plugin }
    }

    /// Counts a call that was answered on its caller's thread, without waiting.
    pub(crate) fn answered_at_once(&self, hook: Hook, duration: Duration, cpu: Duration) {
        self.metrics.answered_at_once(hook, duration);
        self.usage.called(cpu, false);
    }

    /// Counts any other call.
    pub(crate) fn called(&self, hook: Hook, outcome: Outcome, duration: Duration, cpu: Duration) {
        self.metrics.called(hook, outcome, duration, cpu);
        self.usage.called(cpu, matches!(outcome, Outcome::Died(_) | Outcome::Canceled));
    }

    /// Where the next call begins: on its caller's thread, unless such calls were slow, or the tenant has used up its CPU time.
    pub(crate) fn place(&self, pace: &Pace) -> Place {
        if self.household.share.rest().is_some() {
            self.metrics.over_quota("cpu");
            return Place::Guests;
        }
        if self.alone { Place::Guests } else { pace.place() }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings carry secrets.
        f.debug_struct("Scope")
            .field("tenant", self.tenant.name())
            .field("route", &self.route)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}
