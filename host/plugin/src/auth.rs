//! An authenticator on one route: a fresh instance for each request.

use crate::{
    answer,
    bindings::authenticator::GuestIndices,
    failure::Failure,
    guests::Lost,
    instance::{Linked, Sandbox},
    loaded::Loaded,
    meter::{Place, timed},
    metrics::{AuthOutcome, Hook, Outcome},
    pace::Pace,
    state::Scope,
    swap::Follower,
};
use socklet_core::{
    Authenticator, BoxFuture, CallError, DeathKind, PluginName, RouteName, Tenant, UpgradeRequest, Verdict,
};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    task::Poll,
    time::Instant,
};

/// One authenticator on one route.
pub(crate) struct PluginAuthenticator {
    tenant: Arc<Tenant>,
    route: RouteName,
    plugin: PluginName,
    // A std lock: held for a clone and never across an await.
    judges: RwLock<Judges>,
}

struct Judges {
    current: Arc<Judge>,
    /// What the current one took the place of.
    before: Option<Arc<Judge>>,
}

/// One version of it.
pub(crate) struct Judge {
    loaded: Arc<Loaded>,
    linked: Arc<Linked<GuestIndices>>,
    scope: Arc<Scope>,
    pace: Pace,
}

// === impl PluginAuthenticator ===

impl PluginAuthenticator {
    /// None when the plugin is not an authenticator.
    pub(crate) fn new(loaded: &Arc<Loaded>, tenant: &Arc<Tenant>, route: &RouteName) -> Option<Arc<Self>> {
        let judges = Judges { current: loaded.judge(tenant, route)?, before: None };
        let (tenant, route, plugin) = (tenant.clone(), route.clone(), loaded.name().clone());
        Some(Arc::new(Self { tenant, route, plugin, judges: RwLock::new(judges) }))
    }

    /// Who judges now; and where that is new, who judges where it fails.
    fn judges(&self) -> (Arc<Judge>, Option<Arc<Judge>>) {
        let judges = self.judges.read().unwrap_or_else(PoisonError::into_inner);
        let on_trial = !judges.current.loaded.trial().is_passed();
        (judges.current.clone(), judges.before.clone().filter(|_| on_trial))
    }
}

impl Authenticator for PluginAuthenticator {
    fn authenticate(&self, request: Arc<UpgradeRequest>) -> BoxFuture<Result<Verdict, CallError>> {
        let (judge, before) = self.judges();
        Box::pin(async move {
            let metrics = judge.scope.metrics.clone();
            let verdict = match (judge.judge(request.clone()).await, before) {
                // Nothing of it was seen: the one before answers.
                (Err(CallError::Died { .. }), Some(before)) => before.judge(request).await,
                (verdict, _) => verdict,
            };
            metrics.authenticated(match &verdict {
                Ok(Verdict::Grant(_)) => AuthOutcome::Grant,
                Ok(Verdict::Abstain) => AuthOutcome::Abstain,
                Ok(Verdict::Deny(_)) => AuthOutcome::Deny,
                Err(_) => AuthOutcome::Failed,
            });
            verdict
        })
    }

    fn plugin(&self) -> Option<&PluginName> {
        Some(&self.plugin)
    }
}

impl Follower for PluginAuthenticator {
    fn follow(self: Arc<Self>, loaded: &Arc<Loaded>) {
        let Some(judge) = loaded.judge(&self.tenant, &self.route) else {
            return; // a plugin stays of its kind
        };
        let mut judges = self.judges.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut judges.current, judge);
        // One that has failed is not gone back to.
        judges.before = Some(before).filter(|before| !before.loaded.trial().has_failed());
    }
}

impl fmt::Debug for PluginAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginAuthenticator")
            .field("tenant", &self.tenant)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

// === impl Judge ===

impl Judge {
    pub(crate) fn new(loaded: Arc<Loaded>, linked: Arc<Linked<GuestIndices>>, scope: Arc<Scope>) -> Arc<Self> {
        Arc::new(Self { loaded, linked, scope, pace: Pace::default() })
    }

    async fn judge(self: Arc<Self>, request: Arc<UpgradeRequest>) -> Result<Verdict, CallError> {
        let guests = self.loaded.guests();
        let slot = match self.scope.rooms.try_passing() {
            Some(slot) => slot,
            None => tokio::select! {
                slot = self.scope.rooms.passing() => slot,
                () = guests.sleep(self.scope.wait) => {
                    return Err(Failure::Busy.report(&self.scope, Hook::Authenticate));
                }
            },
        };
        let began = Instant::now();
        let sandbox = match self.linked.sandbox(&self.scope, slot, None) {
            Ok(sandbox) => sandbox,
            Err(error) => return Err(self.failed(format!("{error:#}"))),
        };
        let account = sandbox.account();
        let place = self.scope.place(&self.pace);
        let mut call: BoxFuture<_> = Box::pin(self.clone().ask(place, began, sandbox, request));
        if place == Place::Inline {
            let watch = self.pace.watch();
            let polled = guests.poll_here(&mut call);
            let time = began.elapsed();
            self.pace.held(time, watch);
            self.scope.household.share.used(time);
            match polled {
                Ok(Poll::Ready(verdict)) => return verdict,
                // Noted now and not when it ends: until then many more may begin.
                Ok(Poll::Pending) if account.was_slow() => self.pace.note(true),
                Ok(Poll::Pending) => {}
                Err(Lost) => return Err(self.failed("host code panicked".into())),
            }
        }
        let moved = guests.spawn(place, &self.scope.household.share, call);
        moved.await.unwrap_or_else(|Lost| Err(self.failed("host code panicked".into())))
    }

    fn failed(&self, why: String) -> CallError {
        Failure::Host(why).report(&self.scope, Hook::Authenticate)
    }

    async fn ask(
        self: Arc<Self>,
        place: Place,
        began: Instant,
        sandbox: Sandbox,
        request: Arc<UpgradeRequest>,
    ) -> Result<Verdict, CallError> {
        let account = sandbox.account();
        let called = timed(&account, place, began, self.scope.wait, || async {
            let instance = self.linked.instantiate(sandbox).await;
            let mut instance = instance.map_err(|error| Failure::at_start(&error, &account))?;
            instance.authenticate(&request).await.map_err(|error| Failure::in_call(&error, &account))
        })
        .await;
        let at_once = account.used().is_zero();
        if at_once || place == Place::Guests {
            self.pace.note(account.was_slow());
        }
        let checked = match called {
            Ok(Ok(verdict)) => {
                answer::verdict(verdict).map_err(|invalid| Failure::Died(DeathKind::InvalidAnswer, invalid.to_string()))
            }
            Ok(Err(failure)) => Err(failure),
            Err(timed_out) => Err(Failure::timed_out(timed_out)),
        };
        let outcome = match &checked {
            Ok(Verdict::Deny(_)) => Outcome::Refused,
            Ok(_) => Outcome::Ok,
            Err(failure) => failure.outcome(),
        };
        let duration = began.elapsed();
        match outcome {
            Outcome::Ok if at_once => self.scope.answered_at_once(Hook::Authenticate, duration, duration),
            _ => {
                let cpu = if at_once { duration } else { account.used() };
                self.scope.called(Hook::Authenticate, outcome, duration, cpu);
            }
        }
        match &checked {
            Ok(_) => self.loaded.trial().passed(),
            Err(Failure::Died(..)) => self.loaded.died(),
            Err(_) => {}
        }
        checked.map_err(|failure| failure.report(&self.scope, Hook::Authenticate))
    }
}
