//! A behavior on one route: finds the instance for each connection.

use crate::{
    agenda::{Agenda, Appointment},
    breaker::Breaker,
    cell::{Cell, Cells, NoTurn, Turn},
    config::DeathRate,
    failure::Failure,
    guests::{Guests, Lost, Started},
    instance::{BehaviorIndices, BehaviorInstance, Linked},
    keeper,
    metrics::Hook,
    pace::Pace,
    plugin::Loaded,
    policy::{InstancePolicy, Key},
    rest::{Awake, Rules, Saved},
    session::PluginSession,
    slots::Slot,
    state::Scope,
};
use socklet_core::{Behavior, BoxFuture, CallError, Principal, UpgradeRequest, Upgraded};
use std::{fmt, sync::Arc};
use tokio::time::Instant;
use tracing::warn;

/// How often an upgrade looks for another instance when the one it waits for dies in somebody else's call.
const ATTEMPTS: usize = 3;

/// One behavior on one route.
pub(crate) struct Serving {
    plugin: Arc<Loaded>,
    linked: Arc<Linked<BehaviorIndices>>,
    scope: Arc<Scope>,
    policy: InstancePolicy,
    rules: Rules,
    cells: Cells,
    pace: Pace,
    agenda: Arc<Agenda>,
    breaker: Breaker,
}

/// The handle that the server has.
#[derive(Debug)]
pub(crate) struct PluginBehavior(pub(crate) Arc<Serving>);

// === impl PluginBehavior ===

impl Behavior for PluginBehavior {
    fn upgrade(
        &self,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> BoxFuture<Result<Upgraded, CallError>> {
        Box::pin(self.0.clone().upgrade(request, principal))
    }
}

// === impl Serving ===

impl Serving {
    pub(crate) fn new(
        plugin: Arc<Loaded>,
        linked: Arc<Linked<BehaviorIndices>>,
        scope: Arc<Scope>,
        policy: InstancePolicy,
        rules: Rules,
        max_deaths: Option<DeathRate>,
    ) -> Arc<Self> {
        let breaker = Breaker::new(max_deaths, scope.metrics.breakers().clone());
        let (cells, pace, agenda) = Default::default();
        Arc::new(Self { plugin, linked, scope, policy, rules, cells, pace, agenda, breaker })
    }

    async fn upgrade(
        self: Arc<Self>,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> Result<Upgraded, CallError> {
        if let Err(retry_after) = self.breaker.admit(self.guests().now()) {
            return Err(CallError::Resting { retry_after });
        }
        let connection = request.connection;
        let key = self.key(&request)?;
        let (cell, turn) = self.turn(key).await?;
        let credentials = self.plugin.credentials();
        let work = move |mut instance: Box<BehaviorInstance>| async move {
            let answer = instance.on_upgrade(&request, principal.as_deref(), credentials).await;
            (instance, answer)
        };
        let answer = match turn.start(work, Cell::after_upgrade, Result::is_err) {
            Started::Done(answer) => answer,
            Started::Moved(moved) => moved.await.unwrap_or_else(|Lost| Err(cell.lost())),
        };
        match answer? {
            Ok(acceptance) => Ok(Upgraded::Accepted(acceptance, Box::new(PluginSession::new(cell, connection)))),
            Err(response) => Ok(Upgraded::Answered(response)),
        }
    }

    /// The instance that will serve the connection, and the right to call it.
    async fn turn(self: &Arc<Self>, key: Option<Key>) -> Result<(Arc<Cell>, Turn), CallError> {
        let mut attempt = 1;
        loop {
            let cell = match &key {
                None if self.is_fleeting() => Some(Cell::fleeting(self.clone())),
                None => self.linked.slots().lasting().map(|slot| Cell::new(self.clone(), slot, None)),
                Some(key) => self.cells.get(self, key.clone()),
            };
            let Some(cell) = cell else {
                return Err(self.failed(&Failure::Busy, Hook::Upgrade));
            };
            match cell.turn(Hook::Upgrade).await {
                Ok(turn) => return Ok((cell, turn)),
                Err(NoTurn::Dead(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(NoTurn::Dead(error) | NoTurn::TooLong(error)) => return Err(error),
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
                self.failed(&failure, Hook::Upgrade)
            }),
        }
    }

    // --- sleep ---

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Every event has an instance of its own.
    pub(crate) fn is_fleeting(&self) -> bool {
        self.policy == InstancePolicy::Event
    }

    /// Room for an instance that wakes up, if there is any.
    pub(crate) fn room(&self) -> Option<Slot> {
        let slots = self.linked.slots();
        if self.is_fleeting() { slots.try_passing() } else { slots.lasting() }
    }

    /// Waits for that. `last`: the call is the connection's last. Cancel-safe.
    pub(crate) async fn next_room(&self, last: bool) -> Slot {
        let slots = self.linked.slots();
        if self.is_fleeting() { slots.passing().await } else { slots.waking(last).await }
    }

    /// Instances are asked for their state before they sleep.
    pub(crate) fn saves(&self) -> bool {
        !self.rules.stateless
    }

    /// Whether an instance can go and come back at all.
    pub(crate) fn may_sleep(&self) -> bool {
        self.rules.stateless || self.linked.has_state()
    }

    /// When an instance that was used then may sleep, if ever.
    pub(crate) fn bedtime(&self, used: Instant) -> Option<Instant> {
        self.rules.after.filter(|_| self.may_sleep()).map(|after| used + after)
    }

    /// Has the keeper look at a cell.
    pub(crate) fn appoint(self: &Arc<Self>, cell: &Arc<Cell>, at: Instant) -> Appointment {
        self.see_to_keeper();
        self.agenda.appoint(cell, at)
    }

    /// Starts the route's keeper when there is something to keep.
    pub(crate) fn see_to_keeper(self: &Arc<Self>) {
        if self.agenda.wants_keeper() {
            self.guests().keep(keeper::keep(Arc::downgrade(self), self.agenda.clone()));
        }
    }

    pub(crate) fn agenda(&self) -> &Arc<Agenda> {
        &self.agenda
    }

    /// Counts an instance that sleeps from now on.
    pub(crate) fn saved(&self, state: Option<Vec<u8>>) -> Saved {
        Saved::new(state, &self.scope.metrics)
    }

    /// As [`Serving::saved`], within the limits.
    pub(crate) fn saved_if_it_fits(&self, state: Vec<u8>) -> Result<Saved, Awake> {
        if state.len() > self.rules.state_max {
            return Err(Awake::TooLarge(state.len()));
        }
        Ok(self.saved(Some(state)))
    }

    /// Reports a failure; the error for the caller has only its event.
    pub(crate) fn failed(&self, failure: &Failure, hook: Hook) -> CallError {
        failure.report(&self.scope, hook)
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Counts a death, of an instance that was made on trial or of another.
    pub(crate) fn died(&self, on_trial: bool) {
        if let Some(rest) = self.breaker.died(self.guests().now(), on_trial) {
            let (tenant, route, plugin) = (&self.scope.tenant, &self.scope.route, &self.scope.plugin);
            warn!(%tenant, %route, %plugin, ?rest, "instances keep dying, new connections are refused for now");
        }
    }

    pub(crate) fn guests(&self) -> &Guests {
        self.plugin.guests()
    }

    pub(crate) fn linked(&self) -> &Linked<BehaviorIndices> {
        &self.linked
    }

    pub(crate) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.agenda.close();
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("scope", &self.scope).field("policy", &self.policy).finish_non_exhaustive()
    }
}
