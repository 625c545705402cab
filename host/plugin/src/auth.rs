//! An authenticator on one route: a fresh instance for each request.

use crate::{
    answer,
    bindings::authenticator::GuestIndices,
    failure::Failure,
    guests::Lost,
    instance::Linked,
    meter::{Place, TimedOut, timed},
    metrics::{AuthOutcome, Hook, Outcome},
    pace::Pace,
    plugin::Loaded,
    slots::Slot,
    state::Scope,
};
use socklet_core::{Authenticator, BoxFuture, CallError, DeathKind, UpgradeRequest, Verdict};
use std::{fmt, sync::Arc, time::Instant};

/// One authenticator on one route.
pub(crate) struct PluginAuthenticator(Arc<Inner>);

struct Inner {
    plugin: Arc<Loaded>,
    linked: Arc<Linked<GuestIndices>>,
    scope: Arc<Scope>,
    pace: Pace,
}

// === impl PluginAuthenticator ===

impl PluginAuthenticator {
    pub(crate) fn new(plugin: Arc<Loaded>, linked: Arc<Linked<GuestIndices>>, scope: Arc<Scope>) -> Self {
        Self(Arc::new(Inner { plugin, linked, scope, pace: Pace::default() }))
    }
}

impl Authenticator for PluginAuthenticator {
    fn authenticate(&self, request: Arc<UpgradeRequest>) -> BoxFuture<Result<Verdict, CallError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let verdict = inner.clone().judge(request).await;
            inner.scope.metrics.authenticated(match &verdict {
                Ok(Verdict::Grant(_)) => AuthOutcome::Grant,
                Ok(Verdict::Abstain) => AuthOutcome::Abstain,
                Ok(Verdict::Deny(_)) => AuthOutcome::Deny,
                Err(_) => AuthOutcome::Failed,
            });
            verdict
        })
    }
}

impl fmt::Debug for PluginAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginAuthenticator").field("scope", &self.0.scope).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    async fn judge(self: Arc<Self>, request: Arc<UpgradeRequest>) -> Result<Verdict, CallError> {
        let guests = self.plugin.guests();
        let slot = tokio::select! {
            slot = self.linked.slots().passing() => slot,
            () = guests.sleep(self.scope.wait) => {
                return Err(Failure::Busy.report(&self.scope, Hook::Authenticate));
            }
        };
        let place = self.pace.place();
        match guests.run(place, Box::pin(self.clone().ask(place, slot, request))).await {
            Ok(verdict) => verdict,
            Err(Lost) => Err(self.failed("host code panicked".into())),
        }
    }

    fn failed(&self, why: String) -> CallError {
        Failure::Host(why).report(&self.scope, Hook::Authenticate)
    }

    async fn ask(
        self: Arc<Self>,
        place: Place,
        slot: Slot,
        request: Arc<UpgradeRequest>,
    ) -> Result<Verdict, CallError> {
        let began = Instant::now();
        let sandbox = match self.linked.sandbox(&self.scope, slot) {
            Ok(sandbox) => sandbox,
            Err(error) => return Err(self.failed(format!("{error:#}"))),
        };
        let account = sandbox.account();
        let called = timed(&account, place, self.scope.wait, async {
            let instance = self.linked.instantiate(sandbox).await;
            let mut instance = instance.map_err(|error| Failure::at_start(&error, &account))?;
            instance.authenticate(&request).await.map_err(|error| Failure::in_call(&error, &account))
        })
        .await;
        self.pace.note(account.was_slow());
        let checked = match called {
            Ok(Ok(verdict)) => {
                answer::verdict(verdict).map_err(|invalid| Failure::Died(DeathKind::InvalidAnswer, invalid.to_string()))
            }
            Ok(Err(failure)) => Err(failure),
            Err(TimedOut) => Err(Failure::Died(DeathKind::Timeout, "waited for too long".into())),
        };
        let outcome = match &checked {
            Ok(Verdict::Deny(_)) => Outcome::Refused,
            Ok(_) => Outcome::Ok,
            Err(failure) => failure.outcome(),
        };
        self.scope.metrics.called(Hook::Authenticate, outcome, began.elapsed(), account.used());
        checked.map_err(|failure| failure.report(&self.scope, Hook::Authenticate))
    }
}
