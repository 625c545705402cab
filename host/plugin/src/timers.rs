//! The timers of one instance's place: the host's, so that they survive the instance's sleep.

use crate::{
    agenda::{Agenda, Appointment},
    cell::{Cell, NoTurn, Turn},
    guests::{Lost, Started},
    instance::BehaviorInstance,
    metrics::Hook,
    traced::{Notes, Recorded},
};
use socklet_core::{CallError, Taken};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// Bytes of a timer's name.
const NAME: RangeInclusive<usize> = 1..=255;
/// Timers of one instance.
const TIMERS_MAX: usize = 1_024;
/// No timer is set for longer: ten years.
const AFTER_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The timers of one cell.
pub(crate) struct Timers {
    cell: Weak<Cell>,
    agenda: Arc<Agenda>,
    // A std mutex: held for a look-up, and for one on the agenda, and never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: HashMap<Arc<str>, (Appointment, Taken)>,
    /// Those that are due, in their order; the instance is not free for them yet.
    due: VecDeque<(Arc<str>, Taken)>,
    /// Somebody takes care of those that are due.
    firing: bool,
}

// === impl Timers ===

impl Timers {
    pub(crate) fn new(cell: Weak<Cell>, agenda: Arc<Agenda>) -> Arc<Self> {
        Arc::new(Self { cell, agenda, state: Mutex::default() })
    }

    /// Sets a timer, or moves the one of that name. An error in words for the plugin.
    pub(crate) fn set(self: &Arc<Self>, name: &str, after_ms: u64) -> Result<(), String> {
        if !NAME.contains(&name.len()) {
            return Err(format!(
                "a timer's name has {} to {} bytes, this one has {}",
                NAME.start(),
                NAME.end(),
                name.len()
            ));
        }
        let after = Duration::from_millis(after_ms);
        if after.is_zero() || after > AFTER_MAX {
            return Err(format!("a timer is set for 1 to {} ms, not for {after_ms}", AFTER_MAX.as_millis()));
        }
        let Some(cell) = self.cell.upgrade() else { return Err("its connections are gone".into()) };
        let mut state = self.state();
        self.forget(&mut state, name);
        if state.set.len() + state.due.len() >= TIMERS_MAX {
            return Err(format!("an instance may have {TIMERS_MAX} timers"));
        }
        let version = cell.serving.current();
        let Some(taken) = version.scope().tenant.timers().take(1) else {
            version.scope().metrics.over_quota("timers");
            return Err("its tenant has as many timers as it may have".into());
        };
        let name: Arc<str> = name.into();
        let appointment = self.agenda.set(self, name.clone(), cell.serving.guests().now() + after);
        state.set.insert(name, (appointment, taken));
        drop(state);
        cell.serving.see_to_keeper();
        Ok(())
    }

    /// Forgets a timer, also one that is due and has not been told of.
    pub(crate) fn cancel(&self, name: &str) {
        self.forget(&mut self.state(), name);
    }

    /// Forgets them all.
    pub(crate) fn clear(&self) {
        let State { set, .. } = mem::take(&mut *self.state());
        set.into_values().for_each(|(appointment, _)| self.agenda.cancel(appointment));
    }

    /// Those that are set, and in how long each is due.
    pub(crate) fn due_in(&self, now: Instant) -> BTreeMap<String, Duration> {
        let state = self.state();
        let left = |at: &Appointment| at.at().saturating_duration_since(now);
        state.set.iter().map(|(name, (at, _))| ((**name).to_owned(), left(at))).collect()
    }

    /// A timer came due. Whether the caller has to see to it that the plugin is told, by [`Timers::fire`].
    pub(crate) fn ring(&self, name: Arc<str>, appointment: Appointment) -> bool {
        let mut state = self.state();
        // It may have been moved or forgotten since it was taken from the agenda.
        if state.set.get(&name).is_none_or(|(set, _)| *set != appointment) {
            return false;
        }
        let Some((_, taken)) = state.set.remove(&name) else { return false };
        state.due.push_back((name, taken));
        !mem::replace(&mut state.firing, true)
    }

    /// Calls `on-timer` for each that is due, one after the other.
    pub(crate) async fn fire(self: Arc<Self>) {
        while let Some(cell) = self.cell.upgrade() {
            if self.is_quiet() {
                return;
            }
            let recorded = Recorded::timer(&cell);
            let notes = recorded.as_ref().map(Recorded::notes).unwrap_or_default();
            let waited = notes.wait(&cell);
            match cell.turn(Hook::Timer).await {
                Ok(turn) => {
                    // Named only now: it is the instance's turn, so nothing can cancel it any more.
                    let Some((name, taken)) = self.state().due.pop_front() else {
                        Recorded::forget(recorded);
                        continue;
                    };
                    notes.has_turn(waited, turn.version().number());
                    let goes_back = turn.may_go_back();
                    let answered = call(&cell, turn, name.clone(), notes).await;
                    if let Some(recorded) = recorded {
                        recorded.end(&cell, answered.as_ref().map(|()| "ok"));
                    }
                    if answered.is_err() && goes_back && cell.death().is_none() {
                        // An older version goes on, and has not heard of it.
                        self.state().due.push_front((name, taken));
                    }
                }
                // They stay due: what held the instance up has an end.
                Err(NoTurn::TooLong(error)) => {
                    if let Some(recorded) = recorded {
                        recorded.end(&cell, Err(&error));
                    }
                }
                Err(NoTurn::Dead(_)) => {
                    Recorded::forget(recorded);
                    break;
                }
            }
        }
        self.clear();
    }

    /// Nothing is due, and whoever rings next takes care of it.
    fn is_quiet(&self) -> bool {
        let mut state = self.state();
        if state.due.is_empty() {
            state.firing = false;
        }
        state.due.is_empty()
    }

    fn forget(&self, state: &mut State, name: &str) {
        state.due.retain(|(due, _)| **due != *name);
        if let Some((appointment, _)) = state.set.remove(name) {
            self.agenda.cancel(appointment);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a look-up does not panic")
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.clear();
    }
}

async fn call(cell: &Cell, turn: Turn, name: Arc<str>, notes: Notes) -> Result<(), CallError> {
    if turn.wakes() {
        notes.wakes();
    }
    let work = move |mut instance: Box<BehaviorInstance>| async move {
        notes.is_entered();
        let answer = instance.on_timer(&name).await;
        (instance, answer)
    };
    match turn.start(work, Cell::after_timer, |()| false) {
        Started::Done(outcome) => outcome,
        Started::Moved(moved) => moved.await.unwrap_or_else(|Lost| Err(cell.lost())),
    }
}
