//! Drains: of the node, or of a part of it while the rest goes on. Each is told of, can be watched, and can be taken back.

use super::Control;
use crate::events::{Events, Kind};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use serde_json::{Value as Json, json};
use socklet_core::{PluginId, TenantName};
use socklet_plugin::VersionRole;
use socklet_server::{Drain as Plan, Progress, Scope};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

/// How often those who read along are told how a drain goes on.
const PROGRESS: Duration = Duration::from_millis(200);
/// Drains that are remembered once they are over.
const REMEMBERED: usize = 100;
/// Drains at a time.
const AT_A_TIME: usize = 64;

/// What is drained and what was, the newest last.
#[derive(Debug)]
pub(crate) struct Drains {
    state: Mutex<State>,
    counted: Family<Ended, Counter>,
    /// Somebody wants the process to end.
    stop: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    all: VecDeque<Arc<Drain>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    scope: &'static str,
    outcome: &'static str,
}

/// A drain.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) plan: Plan,
    /// Whether what is drained is stopped after that.
    pub(crate) stop: bool,
    pub(crate) started: SystemTime,
    /// Who wanted it.
    pub(crate) by: String,
    pub(crate) progress: Progress,
    phase: watch::Sender<Phase>,
    /// Whether nobody is let in for it: until it is taken back.
    holds: AtomicBool,
    work: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It was told of, and nobody is closed yet.
    Announced,
    /// Connections are being closed.
    Closing,
    /// Nobody is left.
    Drained,
    /// It was taken back: whoever comes is let in again.
    Resumed,
}

/// Why something is not drained, or not taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrainError {
    #[error("there is no {0}")]
    Unknown(Scope),
    #[error("the {0} is being drained already, by drain {1}")]
    Already(Scope, u64),
    #[error(
        "version {1} of the plugin {0} is current: whoever is closed would come back to it; swap or roll back first"
    )]
    Current(PluginId, u32),
    #[error("as many drains go on as there may be: {AT_A_TIME}")]
    TooMany,
    #[error("there is no drain {0}")]
    NoSuch(String),
    #[error("drain {0} was taken back already")]
    Resumed(u64),
    #[error("drain {0} has stopped what it drained: start that again")]
    Stopped(u64),
}

// === impl Control ===

impl Control {
    /// The drains, the newest first: those that go on, and the last ones that are over.
    pub(crate) fn drains(&self) -> Vec<Arc<Drain>> {
        self.0.drains.state().all.iter().rev().cloned().collect()
    }

    /// One drain.
    pub(crate) fn find_drain(&self, id: &str) -> Result<Arc<Drain>, DrainError> {
        let number: Option<u64> = id.parse().ok();
        let found = self.0.drains.state().all.iter().find(|one| Some(one.id) == number).cloned();
        found.ok_or_else(|| DrainError::NoSuch(id.to_owned()))
    }

    /// Drains the node or a part of it: nobody new is let in, and whoever is there is closed at a pace. It goes on until it is taken back,
    /// also when nobody is left. With `stop` the process ends after that, or the listener is stopped.
    pub(crate) fn drain(&self, scope: Scope, plan: Plan, stop: bool, by: &str) -> Result<Arc<Drain>, DrainError> {
        self.check(&scope)?;
        let one = self.0.drains.add(scope, plan, stop, by)?;
        let there = self.0.site.server.connections_in(&one.scope);
        one.progress.tell(there, there);
        let work = tokio::spawn(run(self.clone(), one.clone()));
        *one.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(work));
        Ok(one)
    }

    /// Takes a drain back: whoever is not closed yet stays, and whoever comes is let in again.
    pub(crate) fn resume(&self, id: &str) -> Result<Arc<Drain>, DrainError> {
        let one = self.find_drain(id)?;
        match one.phase() {
            Phase::Resumed => return Err(DrainError::Resumed(one.id)),
            Phase::Drained if one.stop => return Err(DrainError::Stopped(one.id)),
            Phase::Announced | Phase::Closing | Phase::Drained => {}
        }
        drop(one.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        let was = one.phase.send_replace(Phase::Resumed);
        if one.holds.swap(false, SeqCst) {
            self.0.site.server.hold(&one.scope, false);
        }
        if one.scope == Scope::Node {
            self.0.around.health.ready();
        }
        if was != Phase::Drained {
            self.0.drains.count(&one.scope, "resumed");
        }
        info!(drain = one.id, scope = %one.scope, "drain taken back");
        one.tell(&self.0.around.events, Kind::DrainEnded);
        Ok(one)
    }

    /// Waits until somebody wants the process to end.
    pub(crate) async fn asked_to_stop(&self) {
        self.0.drains.stop.notified().await;
    }

    /// The process ends: a drain like others, which somebody else does.
    pub(crate) fn drain_to_end(&self, plan: Plan) -> Arc<Drain> {
        let one = self.0.drains.last(plan);
        let there = self.0.site.server.connections();
        one.progress.tell(there, there);
        one
    }

    /// And it is over.
    pub(crate) fn drained_to_end(&self, drain: &Drain, forced: usize) {
        drain.phase.send_replace(Phase::Drained);
        self.0.drains.count(&drain.scope, if forced > 0 { "forced" } else { "drained" });
        drain.tell(&self.0.around.events, Kind::DrainEnded);
    }

    /// What is held stays so, also where it was made anew.
    pub(super) fn hold_again(&self) {
        for one in self.0.drains.state().all.iter().filter(|one| one.holds.load(SeqCst)) {
            self.0.site.server.hold(&one.scope, true);
        }
    }

    fn check(&self, scope: &Scope) -> Result<(), DrainError> {
        let live = self.live();
        let unknown = || Err(DrainError::Unknown(scope.clone()));
        let known = match scope {
            Scope::Node => true,
            Scope::Listener(listener) => live.listeners.contains_key(listener) && !live.stopped.contains(listener),
            Scope::Tenant(tenant) => live.tenants.get(tenant).is_some_and(|tenant| !tenant.routes.is_empty()),
            Scope::Route(tenant, route) => {
                live.tenants.get(tenant).is_some_and(|tenant| tenant.routes.contains_key(route))
            }
            Scope::Version(plugin, number) => {
                let versions = live.plugin(plugin).map(|plugin| plugin.versions()).unwrap_or_default();
                let Some(version) = versions.iter().find(|version| version.version == *number) else {
                    return unknown();
                };
                if matches!(version.role, VersionRole::Current | VersionRole::Trial) {
                    return Err(DrainError::Current(plugin.clone(), *number));
                }
                true
            }
        };
        if known { Ok(()) } else { unknown() }
    }
}

async fn run(control: Control, one: Arc<Drain>) {
    let (server, events) = (&control.0.site.server, &control.0.around.events);
    info!(drain = one.id, scope = %one.scope, by = one.by, timeout = ?one.plan.timeout, "draining");
    one.tell(events, Kind::DrainStarted);
    if one.scope == Scope::Node {
        control.0.around.health.draining();
    }
    tokio::time::sleep(one.plan.delay).await;
    one.holds.store(true, SeqCst);
    server.hold(&one.scope, true);
    one.phase.send_replace(Phase::Closing);
    let report = {
        let drained = server.drain_only(&one.scope, &one.plan, &one.progress);
        tokio::select! {
            report = drained => report,
            never = one.tell_progress(events, || {}) => match never {},
        }
    };
    if matches!(one.scope, Scope::Version(..)) {
        one.holds.store(false, SeqCst);
    }
    if one.stop
        && let Scope::Listener(listener) = &one.scope
        && let Err(error) = control.stop_listener(listener.as_str()).await
    {
        info!(drain = one.id, %listener, %error, "nothing to stop after the drain");
    }
    one.phase.send_replace(Phase::Drained);
    control.0.drains.count(&one.scope, if report.forced > 0 { "forced" } else { "drained" });
    info!(drain = one.id, scope = %one.scope, closed = report.closed, forced = report.forced, "drained");
    one.tell(events, Kind::DrainEnded);
    if one.stop && one.scope == Scope::Node {
        control.0.drains.stop.notify_one();
    }
}

// === impl Drains ===

impl Drains {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let counted = Family::default();
        registry.register("drains", "Drains that are over", counted.clone());
        Self { state: Mutex::default(), counted, stop: Notify::new() }
    }

    fn add(&self, scope: Scope, plan: Plan, stop: bool, by: &str) -> Result<Arc<Drain>, DrainError> {
        let mut state = self.state();
        if let Some(other) = state.all.iter().find(|other| other.scope == scope && other.goes_on()) {
            return Err(DrainError::Already(scope, other.id));
        }
        if state.all.iter().filter(|one| one.goes_on()).count() >= AT_A_TIME {
            return Err(DrainError::TooMany);
        }
        Ok(state.push(scope, plan, stop, by))
    }

    fn last(&self, plan: Plan) -> Arc<Drain> {
        let one = self.state().push(Scope::Node, plan, true, "a signal");
        one.phase.send_replace(Phase::Closing);
        one
    }

    fn count(&self, scope: &Scope, outcome: &'static str) {
        let scope = match scope {
            Scope::Node => "node",
            Scope::Listener(_) => "listener",
            Scope::Tenant(_) => "tenant",
            Scope::Route(..) => "route",
            Scope::Version(..) => "version",
        };
        self.counted.get_or_create(&Ended { scope, outcome }).inc();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Held for a look into the list, never across an await.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn push(&mut self, scope: Scope, plan: Plan, stop: bool, by: &str) -> Arc<Drain> {
        self.last += 1;
        let one = Arc::new(Drain {
            id: self.last,
            scope,
            plan,
            stop,
            started: SystemTime::now(),
            by: by.to_owned(),
            progress: Progress::default(),
            phase: watch::Sender::new(Phase::Announced),
            holds: AtomicBool::new(false),
            work: Mutex::default(),
        });
        // Those that go on are not forgotten, however many there were since.
        while self.all.len() >= REMEMBERED
            && let Some(oldest) = self.all.iter().position(|one| !one.goes_on())
        {
            self.all.remove(oldest);
        }
        self.all.push_back(one.clone());
        one
    }
}

// === impl Drain ===

impl Drain {
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// The tenant that it concerns alone, if it is so.
    pub(crate) fn tenant(&self) -> Option<&TenantName> {
        self.scope.tenant()
    }

    /// Whether it closes somebody, or keeps somebody out.
    fn goes_on(&self) -> bool {
        match self.phase() {
            Phase::Announced | Phase::Closing => true,
            Phase::Drained => self.holds.load(SeqCst),
            Phase::Resumed => false,
        }
    }

    /// Tells those who read along.
    pub(crate) fn tell(&self, events: &Events, kind: Kind) {
        events.tell_of(kind, self.tenant(), self.told());
    }

    /// Tells them how it goes on, again and again, each time after a look at how far it is.
    pub(crate) async fn tell_progress(&self, events: &Events, look: impl Fn()) -> Infallible {
        loop {
            tokio::time::sleep(PROGRESS).await;
            look();
            self.tell(events, Kind::DrainProgress);
        }
    }

    fn told(&self) -> Json {
        let Self { id, scope, progress, .. } = self;
        json!({
            "drain": id, "scope": scope.to_string(), "state": self.phase().as_str(), "total": progress.total(),
            "closed": progress.closed(), "connections": progress.left(), "forced": progress.forced(),
        })
    }
}

// === impl Phase ===

impl Phase {
    /// Its name for operators.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Closing => "closing",
            Self::Drained => "drained",
            Self::Resumed => "resumed",
        }
    }
}
