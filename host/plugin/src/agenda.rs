//! What is to be done at which time: instances to look at, timers to fire.

use crate::{cell::Cell, timers::Timers};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tokio::{sync::Notify, time::Instant};

/// A route's agenda. Its keeper does what is on it.
#[derive(Default)]
pub(crate) struct Agenda {
    // A std mutex: held for a look-up and never across an await.
    entries: Mutex<Entries>,
    changed: Notify,
    kept: AtomicBool,
}

/// A place on the agenda. Whoever has one takes it back, or leaves it to the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Appointment {
    at: Instant,
    /// Of appointments at the same time the first made comes first.
    number: u64,
}

/// What is due.
#[derive(Default)]
pub(crate) struct DueNow {
    /// In the order of their times.
    pub(crate) cells: Vec<(Arc<Cell>, Appointment)>,
    /// With their names, in the order of their times.
    pub(crate) timers: Vec<(Arc<Timers>, Arc<str>, Appointment)>,
    /// When something is due next.
    pub(crate) next: Option<Instant>,
}

#[derive(Default)]
struct Entries {
    cells: BTreeMap<Appointment, Weak<Cell>>,
    timers: BTreeMap<Appointment, (Weak<Timers>, Arc<str>)>,
    made: u64,
}

// === impl Agenda ===

impl Agenda {
    /// The keeper will look at a cell.
    pub(crate) fn appoint(&self, cell: &Arc<Cell>, at: Instant) -> Appointment {
        self.enter(at, |entries, appointment| drop(entries.cells.insert(appointment, Arc::downgrade(cell))))
    }

    /// The keeper will fire a timer.
    pub(crate) fn set(&self, timers: &Arc<Timers>, name: Arc<str>, at: Instant) -> Appointment {
        let timer = (Arc::downgrade(timers), name);
        self.enter(at, |entries, appointment| drop(entries.timers.insert(appointment, timer)))
    }

    fn enter(&self, at: Instant, insert: impl FnOnce(&mut Entries, Appointment)) -> Appointment {
        let mut entries = self.entries();
        entries.made += 1;
        let appointment = Appointment { at, number: entries.made };
        insert(&mut entries, appointment);
        let first = entries.next() == Some(at);
        drop(entries);
        if first {
            self.changed.notify_one();
        }
        appointment
    }

    /// It will not.
    pub(crate) fn cancel(&self, appointment: Appointment) {
        let mut entries = self.entries();
        let gone = (entries.cells.remove(&appointment), entries.timers.remove(&appointment));
        // A last handle that goes under the lock would want it.
        drop(entries);
        drop(gone);
    }

    /// Takes what is due from the agenda; of the cells at least `pressed`, where there are so many.
    pub(crate) fn take_due(&self, now: Instant, pressed: usize) -> DueNow {
        let mut due = DueNow::default();
        let mut entries = self.entries();
        let mut gone = Vec::new();
        while let Some(entry) = entries.cells.first_entry()
            && (entry.key().at <= now || due.cells.len() < pressed)
        {
            let (appointment, cell) = entry.remove_entry();
            match cell.upgrade() {
                Some(cell) => due.cells.push((cell, appointment)),
                None => gone.push(cell),
            }
        }
        while let Some(entry) = entries.timers.first_entry()
            && entry.key().at <= now
        {
            let (appointment, (timers, name)) = entry.remove_entry();
            due.timers.extend(timers.upgrade().map(|timers| (timers, name, appointment)));
        }
        due.next = entries.next();
        drop(entries);
        drop(gone);
        due
    }

    /// Waits for an entry that comes before all others. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether this is the first to ask: it starts the keeper.
    pub(crate) fn wants_keeper(&self) -> bool {
        !self.kept.load(SeqCst) && !self.kept.swap(true, SeqCst)
    }

    /// The route is going: the keeper ends.
    pub(crate) fn close(&self) {
        self.changed.notify_one();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("a look-up does not panic")
    }
}

// === impl Appointment ===

impl Appointment {
    pub(crate) fn at(&self) -> Instant {
        self.at
    }
}

// === impl Entries ===

impl Entries {
    fn next(&self) -> Option<Instant> {
        let cell = self.cells.first_key_value().map(|(appointment, _)| appointment.at);
        let timer = self.timers.first_key_value().map(|(appointment, _)| appointment.at);
        cell.into_iter().chain(timer).min()
    }
}
