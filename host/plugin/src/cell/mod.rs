//! The place of one instance and the right to call it: one call at a time, callers in order. Whether the instance is awake is
//! nobody else's business.

mod cells;
mod content;
mod turn;

use crate::{
    agenda::Appointment,
    failure::Failure,
    instance::BehaviorInstance,
    metrics::Hook,
    policy::Key,
    rest::{Insomnia, Saved},
    serving::Serving,
    slots::Slot,
    timers::Timers,
};
pub(crate) use content::Content;
use socklet_core::{CallError, EventId, Lifeline};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};
use tokio::{sync::oneshot, time::Instant};

pub(crate) use cells::Cells;
pub(crate) use turn::Turn;

/// The place of one instance, from before it is made until it has died. It goes with its last session.
pub(crate) struct Cell {
    pub(crate) serving: Arc<Serving>,
    lifeline: Lifeline,
    death: OnceLock<CallError>,
    // A std mutex: held for a move of a few pointers and never across an await.
    seat: Mutex<Seat>,
    key: Option<Key>,
    /// For plugins that have timers.
    timers: Option<Arc<Timers>>,
}

/// Why there is no turn.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// The instance has died.
    Dead(CallError),
    /// Others took too long, or there was no room to wake up in.
    TooLong(CallError),
}

/// What the keeper finds when it looks whether an instance may sleep.
pub(crate) enum Found {
    /// Nobody called it for long enough: the right to put it to sleep.
    Idle(Turn),
    /// Not yet: to be looked at again.
    Later(Instant),
    /// It sleeps, is being called, or has died.
    Nothing,
}

struct Seat {
    content: Content,
    /// Who waits, in order; nobody while there is content. Those who gave up are skipped.
    waiting: VecDeque<(Hook, oneshot::Sender<Turn>)>,
    /// When the last call ended.
    used: Instant,
    /// When the keeper looks at it next.
    appointment: Option<Appointment>,
    insomnia: Option<Box<Insomnia>>,
}

// === impl Cell ===

impl Cell {
    /// For an instance that is made when it is called first.
    pub(crate) fn new(serving: Arc<Serving>, slot: Slot, key: Option<Key>) -> Arc<Self> {
        Self::with(serving, Content::Room(slot, None), key)
    }

    /// For instances that are made for each call.
    pub(crate) fn fleeting(serving: Arc<Serving>) -> Arc<Self> {
        Self::with(serving, Content::Asleep(Saved::nothing()), None)
    }

    fn with(serving: Arc<Serving>, content: Content, key: Option<Key>) -> Arc<Self> {
        Arc::new_cyclic(|cell| Self {
            lifeline: Lifeline::default(),
            death: OnceLock::new(),
            seat: Mutex::new(Seat {
                content,
                waiting: VecDeque::new(),
                used: serving.guests().now(),
                appointment: None,
                insomnia: None,
            }),
            key,
            timers: serving.linked().has_timers().then(|| Timers::new(cell.clone(), serving.agenda().clone())),
            serving,
        })
    }

    pub(crate) fn lifeline(&self) -> &Lifeline {
        &self.lifeline
    }

    /// How the instance died, if it has.
    pub(crate) fn death(&self) -> Option<CallError> {
        self.death.get().copied()
    }

    /// The error of a call that was lost to a panic of ours.
    pub(crate) fn lost(&self) -> CallError {
        self.death().unwrap_or_else(|| CallError::Host { event: EventId::next() })
    }

    pub(crate) fn timers(&self) -> Option<&Arc<Timers>> {
        self.timers.as_ref()
    }

    /// The right to call, if nobody else has it or waits for it. The instance may be asleep: see [`Turn::find_room`].
    pub(crate) fn try_turn(self: &Arc<Self>, hook: Hook) -> Option<Turn> {
        match self.seat().content.take() {
            Content::Taken => None,
            content => Some(Turn::new(self.clone(), hook, content)),
        }
    }

    /// Waits for the right to call, and for room where the instance sleeps, each as long as a call may wait. Cancel-safe.
    pub(crate) async fn turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        let turn = match self.try_turn(hook) {
            Some(turn) => turn,
            None => self.next_turn(hook).await?,
        };
        turn.with_room().await
    }

    async fn next_turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        let next = self.queue(hook)?;
        let limit = self.serving.guests().sleep(self.serving.scope().wait);
        tokio::select! {
            turn = next => turn.map_err(|_dropped| NoTurn::Dead(self.lost())),
            () = limit => {
                let failure = Failure::Host("other callers of the instance took too long".into());
                Err(NoTurn::TooLong(self.serving.failed(&failure, hook)))
            }
        }
    }

    fn queue(self: &Arc<Self>, hook: Hook) -> Result<oneshot::Receiver<Turn>, NoTurn> {
        let (sender, next) = oneshot::channel();
        let mut seat = self.seat();
        // Looked at under the lock: whoever dies empties the queue after it is known.
        if let Some(error) = self.death() {
            return Err(NoTurn::Dead(error));
        }
        if seat.waiting.len() == seat.waiting.capacity() {
            seat.waiting.retain(|(_, next)| !next.is_closed());
        }
        seat.waiting.push_back((hook, sender));
        let (content, used) = (seat.content.take(), seat.used);
        drop(seat);
        if !matches!(content, Content::Taken) {
            self.give(content, used);
        }
        Ok(next)
    }

    /// Hands the instance to who waits longest, or keeps it for who comes. `used`: when it was called last.
    fn give(self: &Arc<Self>, mut content: Content, used: Instant) {
        let mut seat = self.seat();
        seat.used = used;
        while let Some((hook, next)) = seat.waiting.pop_front() {
            match next.send(Turn::new(self.clone(), hook, content)) {
                Ok(()) => return,
                Err(turn) => content = turn.into_content(),
            }
        }
        if matches!(content, Content::Live(_)) && seat.appointment.is_none() {
            seat.appointment = self.serving.appointment(self, used);
        }
        seat.content = content;
    }

    /// What becomes of an instance after a call: it stays, unless every event has one of its own.
    fn keep(&self, instance: Box<BehaviorInstance>) -> Content {
        if self.serving.is_fleeting() {
            return Content::Asleep(Saved::nothing());
        }
        Content::Live(instance)
    }

    /// Looks whether the instance may sleep: since nobody called it for long enough, or `at_once`.
    pub(crate) fn look(self: &Arc<Self>, now: Instant, at_once: bool) -> Found {
        let mut seat = self.seat();
        seat.appointment = None;
        if !matches!(seat.content, Content::Live(_)) {
            return Found::Nothing;
        }
        let Some(bedtime) = self.serving.bedtime(seat.used) else { return Found::Nothing };
        let awake_until = seat.insomnia.as_ref().map_or(bedtime, |insomnia| insomnia.until().max(bedtime));
        if awake_until > now && !(at_once && seat.insomnia.is_none()) {
            return Found::Later(awake_until);
        }
        let content = seat.content.take();
        drop(seat);
        Found::Idle(Turn::new(self.clone(), Hook::Save, content))
    }

    /// The keeper comes again.
    pub(crate) fn appoint(self: &Arc<Self>, at: Instant) {
        let mut seat = self.seat();
        if matches!(seat.content, Content::Live(_)) && seat.appointment.is_none() {
            seat.appointment = Some(self.serving.agenda().appoint(self, at));
        }
    }

    /// Why the instance could not be put to sleep the last time; the caller gives what it was before, or none.
    pub(crate) fn set_insomnia(&self, change: impl FnOnce(Option<Box<Insomnia>>) -> Option<Box<Insomnia>>) {
        let mut seat = self.seat();
        seat.insomnia = change(seat.insomnia.take());
    }

    /// The instance is gone. Only the first death counts.
    fn die(&self, error: CallError) {
        let _ = self.death.set(error);
        self.lifeline.cut(error.event());
        if let Some(timers) = &self.timers {
            timers.clear();
        }
        let waiting = mem::take(&mut self.seat().waiting);
        drop(waiting);
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().expect("moving a pointer does not panic")
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(appointment) = self.seat().appointment.take() {
            self.serving.agenda().cancel(appointment);
        }
        if let Some(key) = &self.key {
            self.serving.cells().forget(key);
        }
    }
}
