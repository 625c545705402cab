//! What a store holds beside the guest: its budgets, and the one route that it can reach.

use crate::{
    config::CallLimits,
    host::{log::GuestLog, stdio::LineSink},
    limits::Limits,
    meter::{Account, Meter},
    metrics::Metrics,
    slots::Slot,
    timers::Timers,
};
use prometheus_client::metrics::gauge::Gauge;
use socklet_core::{Connections, PluginName, RouteName, Tenant};
use std::{fmt, sync::Arc, time::Duration};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

/// Entries of the table of host resources (streams, pollables) of one instance.
const RESOURCES_MAX: usize = 1_000;
/// Bytes of randomness in one call.
const RANDOM_MAX: u64 = 64 << 10;

/// The data of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) limits: Limits,
    pub(crate) meter: Meter,
    pub(crate) scope: Arc<Scope>,
    /// None where nobody could be told that one is due.
    pub(crate) timers: Option<Arc<Timers>>,
    _live: Live,
    _slot: Slot,
}

/// One plugin on one route: what all its instances there have in common.
pub(crate) struct Scope {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) route: RouteName,
    pub(crate) plugin: PluginName,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) settings: Arc<WasiConfigVariables>,
    pub(crate) limits: CallLimits,
    /// CPU time per call.
    pub(crate) timeout: Duration,
    /// Wall-clock time per call.
    pub(crate) wait: Duration,
    /// None for authenticators.
    pub(crate) connections: Option<Arc<dyn Connections>>,
    pub(crate) metrics: Metrics,
}

/// Counts an instance for as long as it lives.
struct Live(Gauge);

// === impl State ===

impl State {
    pub(crate) fn new(scope: Arc<Scope>, slot: Slot, timers: Option<Arc<Timers>>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        // No environment, arguments, files, input, name look-up: the builder's defaults. Sockets are allowed by default.
        let wasi = WasiCtxBuilder::new()
            .stdout(LineSink::stdout(scope.log.clone()))
            .stderr(LineSink::stderr(scope.log.clone()))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_MAX)
            .build();
        let account = Arc::new(Account::default());
        Self {
            wasi,
            table,
            limits: Limits::new(scope.limits.memory_max, account.clone(), scope.metrics.memory().clone()),
            meter: Meter::new(account, scope.timeout, &scope.limits),
            _live: Live::new(scope.metrics.live().clone()),
            _slot: slot,
            timers,
            scope,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

// === impl Scope ===

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

// === impl Live ===

impl Live {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.dec();
    }
}
