//! A behavior on one route: finds the instance for each connection.

use crate::{
    agenda::{Agenda, Appointment},
    breaker::Breaker,
    cell::{Cell, Cells, NoTurn, Turn},
    config::RouteInstances,
    failure::Failure,
    guests::{Guests, Lost, Started},
    instance::BehaviorInstance,
    keeper,
    loaded::Loaded,
    metrics::Hook,
    policy::{InstancePolicy, Key},
    rest::Bedtime,
    roster::{self, Roster},
    session::PluginSession,
    swap::Follower,
    traced::Traces,
    usage::Usage,
    version::Version,
};
use socklet_core::{
    Acceptance, CallError, ConnectionId, Connections, InstanceStatus, PluginId, Principal, Response, RouteName, Tenant,
    UpgradeRequest, Upgraded,
};
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};
use tokio::time::Instant;
use tracing::warn;

/// How often an upgrade looks for another instance when the one it waits for dies in somebody else's call.
const ATTEMPTS: usize = 3;

/// One behavior on one route.
pub(crate) struct Serving {
    tenant: Arc<Tenant>,
    route: RouteName,
    connections: Arc<dyn Connections>,
    policy: InstancePolicy,
    bedtime: Arc<Bedtime>,
    guests: Arc<Guests>,
    // A std lock: held for a clone and never across an await.
    versions: RwLock<Versions>,
    /// That of the current version, for those who only want to know whether it is theirs.
    number: AtomicU32,
    cells: Cells,
    roster: Roster,
    agenda: Arc<Agenda>,
    breaker: Breaker,
    traces: Traces,
}

struct Versions {
    current: Arc<Version>,
    /// What the current one took the place of.
    before: Option<Arc<Version>>,
}

/// The guest's own answer to a request, the cell that gave it, and the books of its version.
type Answered = (Arc<Cell>, Arc<Usage>, Result<Acceptance, Response>);

// === impl Serving ===

impl Serving {
    /// None when the plugin is not a behavior.
    pub(crate) fn new(
        (loaded, before): (&Arc<Loaded>, Option<&Arc<Loaded>>),
        tenant: &Arc<Tenant>,
        route: &RouteName,
        instances: RouteInstances,
        connections: Arc<dyn Connections>,
    ) -> Option<Arc<Self>> {
        let RouteInstances { policy, hibernate_after, max_deaths } = instances;
        let bedtime = Arc::new(Bedtime::new(hibernate_after));
        let version = |loaded: &Arc<Loaded>| loaded.version(tenant, route, (&policy, &bedtime), &connections);
        let (current, before) = (version(loaded)?, before.and_then(version));
        let breaker = Breaker::new(max_deaths, current.scope().metrics.breakers().clone());
        let (cells, roster, agenda, traces) = Default::default();
        Some(Arc::new(Self {
            tenant: tenant.clone(),
            route: route.clone(),
            connections,
            policy,
            bedtime,
            guests: loaded.guests().clone(),
            number: AtomicU32::new(current.number()),
            versions: RwLock::new(Versions { current, before }),
            cells,
            roster,
            agenda,
            breaker,
            traces,
        }))
    }

    /// Judges a request, and makes the session of the connection that comes of it.
    pub(crate) async fn upgrade(
        self: Arc<Self>,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> Result<Upgraded, CallError> {
        if let Err(retry_after) = self.breaker.admit(self.guests.now()) {
            return Err(CallError::Resting { retry_after });
        }
        let (connection, trace) = (request.connection, request.trace.clone());
        let (cell, usage, answer) = self.ask(&request, principal.as_ref()).await?;
        match answer {
            Ok(acceptance) => {
                let session = PluginSession::new(cell.clone(), connection, usage, trace);
                // Whoever told all the others may not have seen this one.
                if !cell.catch_up() && !self.current().loaded().keeps_old() {
                    let _ = self.connections.replace(connection);
                }
                Ok(Upgraded::Accepted(acceptance, Box::new(session)))
            }
            Err(response) => Ok(Upgraded::Answered(response)),
        }
    }

    /// Takes over what can change while connections are open.
    /// The instance that serves a connection, if it is here.
    pub(crate) fn instance_of(&self, connection: ConnectionId) -> Option<InstanceStatus> {
        self.roster.find(connection).map(|cell| cell.status())
    }

    pub(crate) fn set(&self, instances: &RouteInstances) {
        self.bedtime.set(instances.hibernate_after);
        self.breaker.set(instances.max_deaths);
    }

    async fn ask(
        self: &Arc<Self>,
        request: &Arc<UpgradeRequest>,
        principal: Option<&Arc<Principal>>,
    ) -> Result<Answered, CallError> {
        let key = self.key(request)?;
        let (cell, mut turn) = self.turn(key).await?;
        loop {
            let (goes_back, usage) = (turn.may_go_back(), turn.version().scope().usage.clone());
            let (request, principal, credentials) =
                (request.clone(), principal.cloned(), turn.version().loaded().credentials());
            let work = move |mut instance: Box<BehaviorInstance>| async move {
                let answer = instance.on_upgrade(&request, principal.as_deref(), credentials).await;
                (instance, answer)
            };
            let answer = match turn.start(work, Cell::after_upgrade, Result::is_err) {
                Started::Done(answer) => answer,
                Started::Moved(moved) => moved.await.unwrap_or_else(|Lost| Err(cell.lost())),
            };
            match answer {
                Err(_) if goes_back && cell.death().is_none() => {
                    turn = cell.turn(Hook::Upgrade).await.map_err(NoTurn::error)?;
                }
                answer => return answer.map(|answer| (cell, usage, answer)),
            }
        }
    }

    /// The instance that will serve the connection, and the right to call it.
    async fn turn(self: &Arc<Self>, key: Option<Key>) -> Result<(Arc<Cell>, Turn), CallError> {
        let mut attempt = 1;
        loop {
            let version = self.current();
            let lasting = || version.scope().rooms.lasting();
            let cell = match &key {
                None if self.is_fleeting() => Some(Cell::fleeting(self.clone(), version.clone())),
                None => lasting().map(|slot| Cell::new(self.clone(), version.clone(), slot, None)),
                Some(key) => self.cells.get(self, &version, key.clone()),
            };
            let Some(cell) = cell else {
                if version.scope().rooms.is_over_quota() {
                    version.scope().metrics.over_quota("instances");
                }
                return Err(version.failed(&Failure::Busy, Hook::Upgrade));
            };
            match cell.turn(Hook::Upgrade).await {
                Ok(turn) => return Ok((cell, turn)),
                Err(NoTurn::Dead(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(no_turn) => return Err(no_turn.error()),
            }
        }
    }

    fn key(&self, request: &UpgradeRequest) -> Result<Option<Key>, CallError> {
        match &self.policy {
            InstancePolicy::Connection | InstancePolicy::Event => Ok(None),
            InstancePolicy::Shared => Ok(Some(Key::default())),
            InstancePolicy::Key(template) => template.key(request).map(Some).map_err(|capture| {
                let failure =
                    Failure::Host(format!("the route's path does not capture {capture:?}, which the key needs"));
                self.current().failed(&failure, Hook::Upgrade)
            }),
        }
    }

    // --- versions ---

    /// What new connections get.
    pub(crate) fn current(&self) -> Arc<Version> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    pub(crate) fn current_and_before(&self) -> (Arc<Version>, Option<Arc<Version>>) {
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        (versions.current.clone(), versions.before.clone())
    }

    /// Its number.
    pub(crate) fn current_number(&self) -> u32 {
        self.number.load(SeqCst)
    }

    /// What goes on where a version that is new fails.
    pub(crate) fn before(&self, version: &Version) -> Option<Arc<Version>> {
        if version.loaded().trial().is_passed() {
            return None;
        }
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        versions.before.clone().filter(|_| versions.current.number() == version.number())
    }

    // --- sleep ---

    /// Every event has an instance of its own.
    pub(crate) fn is_fleeting(&self) -> bool {
        self.policy == InstancePolicy::Event
    }

    /// Has the keeper look at a cell.
    pub(crate) fn appoint(self: &Arc<Self>, cell: &Arc<Cell>, at: Instant) -> Appointment {
        self.see_to_keeper();
        self.agenda.appoint(cell, at)
    }

    /// Starts the route's keeper when there is something to keep.
    pub(crate) fn see_to_keeper(self: &Arc<Self>) {
        if self.agenda.wants_keeper() {
            self.guests.keep(keeper::keep(Arc::downgrade(self), self.agenda.clone()));
        }
    }

    pub(crate) fn agenda(&self) -> &Arc<Agenda> {
        &self.agenda
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Counts a death, of an instance that was made on trial or of another.
    pub(crate) fn died(&self, on_trial: bool) {
        if let Some(rest) = self.breaker.died(self.guests.now(), on_trial) {
            let (tenant, route) = (&self.tenant, &self.route);
            warn!(%tenant, %route, ?rest, "instances keep dying, new connections are refused for now");
        }
    }

    pub(crate) fn guests(&self) -> &Guests {
        &self.guests
    }

    pub(crate) fn connections(&self) -> &Arc<dyn Connections> {
        &self.connections
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    // --- names ---

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(crate) fn route(&self) -> &RouteName {
        &self.route
    }

    pub(crate) fn plugin(&self) -> PluginId {
        self.current().scope().plugin.clone()
    }
}

impl Follower for Serving {
    fn follow(self: Arc<Self>, loaded: &Arc<Loaded>) {
        let Some(version) = loaded.version(&self.tenant, &self.route, (&self.policy, &self.bedtime), &self.connections)
        else {
            return; // a plugin stays of its kind
        };
        let before = {
            let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut versions.current, version.clone());
            // One that has failed is not gone back to.
            versions.before = Some(before.clone()).filter(|before| !before.loaded().trial().has_failed());
            self.number.store(version.number(), SeqCst);
            before
        };
        self.breaker.reset();
        let guests = self.guests.clone();
        guests.keep(roster::move_all(self, version, before));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.agenda.close();
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("tenant", &self.tenant)
            .field("route", &self.route)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
