//! The place of one instance and the right to call it: one call at a time, callers in order. Whether the instance is awake is
//! nobody else's business.

mod arrival;
mod cells;
mod content;
mod turn;

use crate::{
    agenda::Appointment,
    failure::Failure,
    instance::BehaviorInstance,
    metrics::Hook,
    policy::Key,
    rest::{Awake, Insomnia, Saved, Worn},
    serving::Serving,
    slots::Slot,
    timers::Timers,
    version::{Manners, Version},
};
use socklet_core::{CallError, EventId, InstanceState, InstanceStatus, Lifeline};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

pub(crate) use cells::Cells;
use content::{Content, Fallback, Occupant};
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
    /// Once there was an instance of a version that has timers.
    timers: OnceLock<Arc<Timers>>,
    /// The number of a version that could not go on with what is here; 0 for none.
    refused: AtomicU32,
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
    /// None: with whoever has the turn, or dead.
    occupant: Option<Occupant>,
    /// The version of the last occupant.
    version: u32,
    manners: Manners,
    /// Who waits, in order; nobody while there is an occupant. Those who gave up are skipped.
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
    /// It is to be replaced, and cannot be saved: those who share it stay to their end, and nobody joins them.
    retired: bool,
}

/// An instance that has grown too far is replaced no sooner after the last one: what it needs may be just as much.
const RENEWED: Duration = Duration::from_secs(60);

/// How many times as long the last call of a connection waits for its turn.
const LAST_WAITS: u32 = 10;

/// An instance that is to be replaced and cannot be is asked again after so long, where idle ones stay awake.
const FIRST_WAIT: Duration = Duration::from_secs(10);

// === impl NoTurn ===

impl NoTurn {
    pub(crate) fn error(self) -> CallError {
        match self {
            Self::Dead(error) | Self::TooLong(error) => error,
        }
    }
}

// === impl Cell ===

impl Cell {
    /// For an instance that is made when it is called first.
    pub(crate) fn new(serving: Arc<Serving>, version: Arc<Version>, slot: Slot, key: Option<Key>) -> Arc<Self> {
        let on_trial = serving.breaker().is_trying();
        Self::with(serving, version, Content::Room(slot, None), key, on_trial)
    }

    /// For a last call in place of an instance that has died.
    pub(crate) fn for_close(serving: Arc<Serving>, version: Arc<Version>, slot: Slot) -> Arc<Self> {
        Self::with(serving, version, Content::Room(slot, None), None, false)
    }

    /// For instances that are made for each call.
    pub(crate) fn fleeting(serving: Arc<Serving>, version: Arc<Version>) -> Arc<Self> {
        let on_trial = serving.breaker().is_trying();
        Self::with(serving, version, Content::Asleep(Saved::nothing()), None, on_trial)
    }

    fn with(
        serving: Arc<Serving>,
        version: Arc<Version>,
        content: Content,
        key: Option<Key>,
        on_trial: bool,
    ) -> Arc<Self> {
        let fallback = serving.before(&version).map(|before| Fallback { version: before, saved: Saved::nothing() });
        Arc::new(Self {
            lifeline: Lifeline::default(),
            death: OnceLock::new(),
            seat: Mutex::new(Seat {
                version: version.number(),
                manners: version.manners(),
                occupant: Some(Occupant { version, content, fallback: fallback.map(Box::new) }),
                waiting: VecDeque::new(),
                used: serving.guests().now(),
                appointment: None,
                insomnia: None,
                worn: None,
                renewed: None,
                retired: false,
            }),
            key,
            on_trial,
            timers: OnceLock::new(),
            refused: AtomicU32::new(0),
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

    /// The timers of instances of a version, if it has any.
    fn timers(self: &Arc<Self>, version: &Version) -> Option<Arc<Timers>> {
        version.linked().has_timers().then(|| {
            let timers = || Timers::new(Arc::downgrade(self), self.serving.agenda().clone());
            self.timers.get_or_init(timers).clone()
        })
    }

    /// The timers that are set, by name, and in how long each is due.
    pub(crate) fn due_timers(&self, now: Instant) -> BTreeMap<String, Duration> {
        self.timers.get().map(|timers| timers.due_in(now)).unwrap_or_default()
    }

    // --- versions ---

    /// The version of what is here; of what was here before while it is called.
    pub(crate) fn version(&self) -> u32 {
        self.seat().version
    }

    pub(crate) fn sees_frames(&self) -> bool {
        self.seat().manners.sees_frames()
    }

    /// Where an instance of this version that sleeps is to wake up, if that is in another.
    fn destination(&self, version: &Version) -> Option<Arc<Version>> {
        let current = self.serving.current_number();
        if version.number() == current || self.refused.load(Relaxed) == current {
            return None;
        }
        let current = self.serving.current();
        version.manners().can_become(current.manners()).then_some(current)
    }

    /// A version cannot go on with what is here, and is not asked again.
    fn refuse(&self, version: u32) {
        self.refused.store(version, Relaxed);
    }

    /// Whether new connections may join: the instance is of this version, or will be.
    fn is_open_to(&self, version: &Version) -> bool {
        let seat = self.seat();
        !seat.retired && (seat.version == version.number() || seat.manners.can_become(version.manners()))
    }

    /// There is a new version: an instance of another makes way as soon as it may. Whether it ever will.
    pub(crate) fn make_way(self: &Arc<Self>, new: &Version, before: Option<&Arc<Version>>) -> bool {
        let mut seat = self.seat();
        if seat.version == new.number() {
            return true;
        }
        if !seat.manners.can_become(new.manners()) {
            return false;
        }
        let before =
            before.filter(|before| seat.version != before.number() && seat.manners.can_become(before.manners()));
        if let Some(Occupant { version, content: Content::Asleep(saved), .. }) = &mut seat.occupant {
            // No more than one old version is kept for those that sleep for long.
            if let Some(before) = before {
                *version = before.clone();
                saved.count_for(before.scope());
                (seat.version, seat.manners) = (before.number(), before.manners());
            }
            return true;
        }
        seat.outdated(&self.serving);
        seat.appointment = Some(self.serving.appoint(self, self.serving.guests().now()));
        true
    }

    /// As [`Cell::make_way`], for one that nobody may have told.
    pub(crate) fn catch_up(self: &Arc<Self>) -> bool {
        if self.seat().version == self.serving.current_number() {
            return true;
        }
        let (current, before) = self.serving.current_and_before();
        self.make_way(&current, before.as_ref())
    }

    // --- operators ---

    /// What operators see of the instance.
    pub(crate) fn status(&self) -> InstanceStatus {
        let (current, now) = (self.serving.current(), self.serving.guests().now());
        let seat = self.seat();
        let (state, awake) = match &seat.occupant {
            _ if self.death().is_some() => (InstanceState::Dead, None),
            None => (InstanceState::Busy, Some("it is being called".to_owned())),
            Some(Occupant { content: Content::Asleep(_), .. }) => (InstanceState::Hibernated, None),
            Some(occupant) => (InstanceState::Live, Some(seat.why_awake(&occupant.version, now))),
        };
        InstanceStatus { plugin: current.scope().plugin.clone(), version: seat.version, state, awake }
    }

    // --- turns ---

    /// The right to call, if nobody else has it or waits for it. The instance may be asleep: see [`Turn::find_room`].
    pub(crate) fn try_turn(self: &Arc<Self>, hook: Hook) -> Option<Turn> {
        let occupant = self.seat().occupant.take()?;
        Some(Turn::new(self.clone(), hook, occupant))
    }

    /// Waits for the right to call, and for room where the instance sleeps, each as long as a call may wait. Cancel-safe.
    pub(crate) async fn turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        self.turn_as_it_is(hook).await?.with_room().await
    }

    /// As [`Cell::turn`]; who sleeps sleeps on.
    pub(crate) async fn turn_as_it_is(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        match self.try_turn(hook) {
            Some(turn) => Ok(turn),
            None => self.next_turn(hook).await,
        }
    }

    async fn next_turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        let next = self.queue(hook)?;
        let version = self.serving.current();
        // Who is told of an end should be who was told of the beginning.
        let patience = if hook == Hook::Close { LAST_WAITS } else { 1 };
        let limit = self.serving.guests().sleep(version.scope().wait * patience);
        tokio::select! {
            turn = next => turn.map_err(|_dropped| NoTurn::Dead(self.lost())),
            () = limit => {
                let failure = Failure::Host("other callers of the instance took too long".into());
                Err(NoTurn::TooLong(version.failed(&failure, hook)))
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
        let (occupant, used) = (seat.occupant.take(), seat.used);
        drop(seat);
        if let Some(occupant) = occupant {
            self.give(occupant, used);
        }
        Ok(next)
    }

    /// Hands the instance to who waits longest, or keeps it for who comes. `used`: when it was called last.
    fn give(self: &Arc<Self>, mut occupant: Occupant, used: Instant) {
        let mut seat = self.seat();
        seat.used = used;
        let changed = seat.version != occupant.version.number();
        if changed {
            (seat.version, seat.manners) = (occupant.version.number(), occupant.version.manners());
        }
        if let Content::Live(instance) = &occupant.content {
            // Who looked meanwhile saw the version that it comes from.
            if changed && self.destination(&occupant.version).is_some() {
                seat.outdated(&self.serving);
            }
            self.plan(&mut seat, &occupant.version, instance, used);
        }
        while let Some((hook, next)) = seat.waiting.pop_front() {
            match next.send(Turn::new(self.clone(), hook, occupant)) {
                Ok(()) => return,
                Err(turn) => match turn.into_occupant() {
                    Some(back) => occupant = back,
                    None => return,
                },
            }
        }
        seat.occupant = Some(occupant);
    }

    /// Puts an instance that was called on the keeper's agenda, if it will ever have something to do with it.
    fn plan(self: &Arc<Self>, seat: &mut Seat, version: &Version, instance: &BehaviorInstance, used: Instant) {
        if seat.worn == Some(Worn::Outdated) && seat.version == self.serving.current_number() {
            seat.worn = None;
        }
        if seat.worn.is_none()
            && !seat.retired
            && let Some(worn) = instance.worn(version.rules())
            && !(worn == Worn::Memory && seat.renewed.is_some_and(|renewed| used < renewed + RENEWED))
        {
            if version.may_sleep() {
                // Now, and not when it is idle for long enough.
                seat.wears(worn, &self.serving);
            } else if self.key.is_some() {
                seat.retired = true;
                version.scope().metrics.recycled(worn.as_str());
            }
        }
        if seat.appointment.is_none() {
            seat.appointment = seat.due(version).map(|at| self.serving.appoint(self, at));
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
        let Some(occupant) = &seat.occupant else {
            let rests = seat.insomnia.as_ref().is_some_and(|insomnia| insomnia.until() > now);
            return if seat.worn.is_some() && !rests { Found::Wanted } else { Found::Nothing };
        };
        let Some(due) = seat.due(&occupant.version).filter(|_| matches!(occupant.content, Content::Live(_))) else {
            return Found::Nothing;
        };
        // Who was called since the appointment was made is not the one that was idle longest.
        if due > now && !(at_once && seat.insomnia.is_none() && due <= appointment.at()) {
            seat.appointment = Some(self.serving.agenda().appoint(self, due));
            return Found::Nothing;
        }
        let Some(occupant) = seat.occupant.take() else { return Found::Nothing };
        drop(seat);
        Found::Idle(Turn::new(self.clone(), Hook::Save, occupant))
    }

    /// The keeper has no time now.
    pub(crate) fn postpone(self: &Arc<Self>, appointment: Appointment, at: Instant) {
        let mut seat = self.seat();
        if seat.appointment == Some(appointment) {
            seat.appointment = Some(self.serving.agenda().appoint(self, at));
        }
    }

    /// The instance that had the turn could not be put to sleep: it is asked again later. Whether this is the first time.
    fn lies_awake(&self, version: &Version, why: Awake) -> bool {
        let (now, wait) = (self.serving.guests().now(), version.rules().after().unwrap_or(FIRST_WAIT));
        let mut seat = self.seat();
        let insomnia = Insomnia::after(seat.insomnia.as_deref(), now, wait, why);
        seat.insomnia.replace(Box::new(insomnia)).is_none()
    }

    /// The instance has left its state and is gone: the next one is new. Why it had to go, if it was not just idle. To be called by who
    /// has the turn: the next instance may have to go, too.
    fn renewed(&self) -> Option<Worn> {
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
        if let Some(timers) = self.timers.get() {
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
    fn why_awake(&self, version: &Version, now: Instant) -> String {
        let Some(after) = version.rules().after() else { return "the route has hibernate_after = \"none\"".into() };
        if !version.may_sleep() {
            return "its plugin neither exports state nor is stateless".into();
        }
        if let Some(insomnia) = &self.insomnia {
            return insomnia.why().to_string();
        }
        let idle = now.saturating_duration_since(self.used);
        format!("it was called {:.1} s ago, and sleeps after {:.1} s", idle.as_secs_f64(), after.as_secs_f64())
    }

    /// The instance makes way for one of another version as soon as it may. Whoever calls this makes an appointment.
    fn outdated(&mut self, serving: &Serving) {
        self.insomnia = None;
        self.wears(Worn::Outdated, serving);
    }

    /// The instance is to be replaced. Whoever calls this makes an appointment.
    fn wears(&mut self, worn: Worn, serving: &Serving) {
        self.worn = Some(worn);
        if let Some(appointment) = self.appointment.take() {
            serving.agenda().cancel(appointment);
        }
    }

    /// When the instance may be put to sleep, if ever.
    fn due(&self, version: &Version) -> Option<Instant> {
        let due = if self.worn.is_some() { self.used } else { version.bedtime(self.used)? };
        Some(self.insomnia.as_ref().map_or(due, |insomnia| insomnia.until().max(due)))
    }
}
