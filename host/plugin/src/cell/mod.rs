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
    rest::{Insomnia, Saved, Worn},
    serving::Serving,
    slots::Slot,
    timers::Timers,
};
use socklet_core::{CallError, EventId, Lifeline};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

pub(crate) use cells::Cells;
pub(crate) use content::Content;
pub(crate) use turn::Turn;

/// The place of one instance, from before it is made until it has died. It goes with its last session.
pub(crate) struct Cell {
    pub(crate) serving: Arc<Serving>,
    lifeline: Lifeline,
    death: OnceLock<CallError>,
    // A std mutex: held for a move of a few pointers and never across an await.
    seat: Mutex<Seat>,
    key: Option<Key>,
    /// It was made while the route's breaker tried whether instances still die.
    on_trial: bool,
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
    /// It is being called, and is to be replaced as soon as that is over.
    Wanted,
    /// It is not time yet, and the keeper looks again; or it sleeps, is being called, or has died.
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
    /// The instance is to be replaced.
    worn: Option<Worn>,
    /// When one was replaced the last time.
    renewed: Option<Instant>,
}

/// An instance that has grown too far is replaced no sooner after the last one: what it needs may be just as much.
const RENEWED: Duration = Duration::from_secs(60);

/// An instance that is to be replaced and cannot be is asked again after so long, where idle ones stay awake.
const FIRST_WAIT: Duration = Duration::from_secs(10);

// === impl Cell ===

impl Cell {
    /// For an instance that is made when it is called first.
    pub(crate) fn new(serving: Arc<Serving>, slot: Slot, key: Option<Key>) -> Arc<Self> {
        let on_trial = serving.breaker().is_trying();
        Self::with(serving, Content::Room(slot, None), key, on_trial)
    }

    /// For a last call in place of an instance that has died.
    pub(crate) fn for_close(serving: Arc<Serving>, slot: Slot) -> Arc<Self> {
        Self::with(serving, Content::Room(slot, None), None, false)
    }

    /// For instances that are made for each call.
    pub(crate) fn fleeting(serving: Arc<Serving>) -> Arc<Self> {
        let on_trial = serving.breaker().is_trying();
        Self::with(serving, Content::Asleep(Saved::nothing()), None, on_trial)
    }

    fn with(serving: Arc<Serving>, content: Content, key: Option<Key>, on_trial: bool) -> Arc<Self> {
        Arc::new_cyclic(|cell| Self {
            lifeline: Lifeline::default(),
            death: OnceLock::new(),
            seat: Mutex::new(Seat {
                content,
                waiting: VecDeque::new(),
                used: serving.guests().now(),
                appointment: None,
                insomnia: None,
                worn: None,
                renewed: None,
            }),
            key,
            on_trial,
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
        if let Content::Live(instance) = &content {
            self.plan(&mut seat, instance, used);
        }
        while let Some((hook, next)) = seat.waiting.pop_front() {
            match next.send(Turn::new(self.clone(), hook, content)) {
                Ok(()) => return,
                Err(turn) => content = turn.into_content(),
            }
        }
        seat.content = content;
    }

    /// Puts an instance that was called on the keeper's agenda, if it will ever have something to do with it.
    fn plan(self: &Arc<Self>, seat: &mut Seat, instance: &BehaviorInstance, used: Instant) {
        if seat.worn.is_none()
            && let Some(worn) = instance.worn(self.serving.rules())
            && !(worn == Worn::Memory && seat.renewed.is_some_and(|renewed| used < renewed + RENEWED))
            && self.serving.may_sleep()
        {
            seat.worn = Some(worn);
            // Now, and not when it is idle for long enough.
            if let Some(appointment) = seat.appointment.take() {
                self.serving.agenda().cancel(appointment);
            }
        }
        if seat.appointment.is_none() {
            seat.appointment = seat.due(&self.serving).map(|at| self.serving.appoint(self, at));
        }
    }

    /// What becomes of an instance after a call: it stays, unless every event has one of its own.
    fn keep(&self, instance: Box<BehaviorInstance>) -> Content {
        if self.serving.is_fleeting() {
            return Content::Asleep(Saved::nothing());
        }
        Content::Live(instance)
    }

    /// Looks whether the instance may sleep: since nobody called it for long enough, or `at_once`.
    pub(crate) fn look(self: &Arc<Self>, appointment: Appointment, now: Instant, at_once: bool) -> Found {
        let mut seat = self.seat();
        if seat.appointment != Some(appointment) {
            return Found::Nothing; // there is a newer one
        }
        seat.appointment = None;
        let Some(due) = seat.due(&self.serving) else { return Found::Nothing };
        if !matches!(seat.content, Content::Live(_)) {
            return if seat.worn.is_some() && due <= now { Found::Wanted } else { Found::Nothing };
        }
        // Who was called since the appointment was made is not the one that was idle longest.
        if due > now && !(at_once && seat.insomnia.is_none() && due <= appointment.at()) {
            seat.appointment = Some(self.serving.agenda().appoint(self, due));
            return Found::Nothing;
        }
        let content = seat.content.take();
        drop(seat);
        Found::Idle(Turn::new(self.clone(), Hook::Save, content))
    }

    /// The keeper has no time now.
    pub(crate) fn postpone(self: &Arc<Self>, appointment: Appointment, at: Instant) {
        let mut seat = self.seat();
        if seat.appointment == Some(appointment) {
            seat.appointment = Some(self.serving.agenda().appoint(self, at));
        }
    }

    /// The instance that had the turn could not be put to sleep: it is asked again later. Whether this is the first time.
    fn lies_awake(&self) -> bool {
        let (now, wait) = (self.serving.guests().now(), self.serving.rules().after.unwrap_or(FIRST_WAIT));
        let mut seat = self.seat();
        let insomnia = Insomnia::after(seat.insomnia.as_deref(), now, wait);
        seat.insomnia.replace(Box::new(insomnia)).is_none()
    }

    /// The instance has left its state and is gone: the next one is new. Why it had to go, if it was not just idle.
    pub(crate) fn renewed(&self) -> Option<Worn> {
        let mut seat = self.seat();
        seat.insomnia = None;
        let worn = seat.worn.take()?;
        seat.renewed = Some(self.serving.guests().now());
        Some(worn)
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

// === impl Seat ===

impl Seat {
    /// When the instance may be put to sleep, if ever.
    fn due(&self, serving: &Serving) -> Option<Instant> {
        let due = if self.worn.is_some() { self.used } else { serving.bedtime(self.used)? };
        Some(self.insomnia.as_ref().map_or(due, |insomnia| insomnia.until().max(due)))
    }
}
