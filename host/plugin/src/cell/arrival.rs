//! How an instance moves: one of the new version loads what the old one left, before the first event that it gets.

use super::{
    Cell, Content, NoTurn,
    content::Fallback,
    turn::{Turn, make},
};
use crate::{
    failure::Failure,
    guests::Lost,
    instance::BehaviorInstance,
    meter::{Place, timed},
    metrics::{Hook, Outcome},
    rest::Saved,
    slots::Slot,
    version::Version,
};
use std::{sync::Arc, time::Instant};

// === impl Turn ===

impl Turn {
    /// Moves what sleeps to another version. Where that cannot go on with it, the old one will. Cancel-safe: it sleeps on.
    pub(super) async fn arrive(mut self, target: Arc<Version>, slot: Slot) -> Result<Self, NoTurn> {
        let cell = self.cell.clone();
        let (place, share) = (target.place(), target.scope().household.share.clone());
        let call = Box::pin(async move {
            let Some(Content::Asleep(saved)) = &self.content else { return self };
            match load_in(&self.cell, &target, saved, slot, place).await {
                Ok(instance) => self.moved(target, instance),
                Err(failure) => {
                    target.failed(&failure, Hook::Load);
                    self.cell.refuse(target.number());
                    if let Failure::Died(..) = failure {
                        target.loaded().died();
                    }
                }
            }
            self
        });
        cell.serving.guests().run(place, &share, call).await.map_err(|Lost| NoTurn::Dead(cell.lost()))
    }

    /// From now on the other version goes on, unless its first call kills it.
    fn moved(&mut self, target: Arc<Version>, instance: Box<BehaviorInstance>) {
        let acted = instance.account().has_acted();
        if let Some(Content::Asleep(saved)) = self.content.replace(Content::Live(instance)) {
            let version = self.change_version(target);
            // What it has done while it loaded cannot be undone.
            self.fallback = (!acted).then(|| Box::new(Fallback { version, saved }));
        }
    }
}

/// An instance of a version with what one of another has left.
async fn load_in(
    cell: &Arc<Cell>,
    target: &Version,
    saved: &Saved,
    slot: Slot,
    place: Place,
) -> Result<Box<BehaviorInstance>, Failure> {
    let began = Instant::now();
    let sandbox = target.linked().sandbox(target.scope(), slot, cell.timers(target));
    let sandbox = sandbox.map_err(|error| Failure::Host(format!("{error:#}")))?;
    let account = sandbox.account();
    let saved = Some(saved).filter(|_| target.saves());
    let loaded = timed(&account, place, began, target.scope().wait, || make(target, sandbox, saved, &account))
        .await
        .unwrap_or_else(|timed_out| Err(Failure::timed_out(timed_out)));
    let outcome = loaded.as_ref().map_or_else(Failure::outcome, |_| Outcome::Ok);
    let (duration, used) = (began.elapsed(), account.used());
    target.scope().called(Hook::Load, outcome, duration, if used.is_zero() { duration } else { used });
    loaded
}
