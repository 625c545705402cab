//! Looks after the instances of a route when nobody calls them: puts idle ones to sleep, fires timers.

use crate::{
    agenda::{Agenda, Appointment},
    cell::{Cell, Found, Turn},
    guests::{Lost, Started},
    metrics::Hook,
    rest::{Awake, Rest},
    serving::Serving,
    version::Version,
};
use socklet_core::CallError;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tracing::info;

/// Instances of a route that save at the same time, where that takes long.
const SAVING: usize = 16;
/// Where somebody waits for room the keeper looks at so many more instances than are wanted: some are busy, or cannot sleep.
const LOOKS: usize = 64;
/// After so long the keeper looks again for instances that could make room, while somebody waits for that.
const SOON: Duration = Duration::from_millis(10);

/// Does what is on the agenda until the route is gone.
pub(crate) async fn keep(serving: Weak<Serving>, agenda: Arc<Agenda>) {
    let saving = Arc::new(Semaphore::new(SAVING));
    loop {
        let (next, mut pressure) = {
            let Some(serving) = serving.upgrade() else { return };
            let version = serving.current();
            let rooms = &version.scope().rooms;
            let pressure = rooms.pressure();
            let pressed = rooms.pressed();
            let wanted = if pressed > 0 { pressed + LOOKS } else { 0 };
            let due = agenda.take_due(Instant::now(), wanted);
            for (timers, name, appointment) in due.timers {
                if timers.ring(name, appointment) {
                    serving.guests().keep(timers.fire());
                }
            }
            let (mut room, mut looked) = (0, false);
            for (cell, appointment) in due.cells {
                looked = true;
                room += usize::from(look(cell, appointment, room < pressed, &saving));
            }
            // Those that were looked at may have been busy: where somebody waits, others are tried soon.
            let next = match rooms.pressed() {
                waiting if waiting > 0 && looked => due.next.into_iter().chain([Instant::now() + SOON]).min(),
                _ => due.next,
            };
            (next, pressure)
        };
        tokio::select! {
            () = agenda.changed() => {}
            () = at(next) => {}
            () = pressure.changed() => {}
        }
    }
}

async fn at(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next).await,
        None => std::future::pending().await,
    }
}

/// Puts an instance to sleep if it is time, or `at_once`. Whether there will be room.
fn look(cell: Arc<Cell>, appointment: Appointment, at_once: bool, saving: &Arc<Semaphore>) -> bool {
    let now = Instant::now();
    let Ok(permit) = saving.clone().try_acquire_owned() else {
        // Timers and others must not wait for those that save.
        cell.postpone(appointment, now + SOON);
        return false;
    };
    match cell.look(appointment, now, at_once) {
        Found::Idle(turn) => {
            sleep(cell, turn, permit);
            return true;
        }
        Found::Wanted => {
            let serving = cell.serving.clone();
            serving.guests().keep(async move {
                // Behind those who wait already, before those who come.
                if let Ok(turn) = cell.turn_as_it_is(Hook::Save).await {
                    sleep(cell, turn, permit);
                }
            });
        }
        Found::Nothing => {}
    }
    false
}

fn sleep(cell: Arc<Cell>, turn: Turn, permit: OwnedSemaphorePermit) {
    let version = turn.version().clone();
    match turn.sleep() {
        Started::Done(outcome) => saved(&version, outcome),
        Started::Moved(moved) => {
            let serving = cell.serving.clone();
            serving.guests().keep(async move {
                let outcome = moved.await.unwrap_or_else(|Lost| Err(cell.lost()));
                saved(&version, outcome);
                drop(permit);
            });
        }
    }
}

/// Remembers and tells that an instance cannot sleep. One that died in the attempt has told so.
fn saved(version: &Version, outcome: Result<Rest, CallError>) {
    match outcome {
        Ok(Rest::Asleep(Some(worn))) => version.scope().metrics.recycled(worn.as_str()),
        Ok(Rest::Asleep(None)) | Err(_) => {}
        Ok(Rest::Awake { why, first }) => {
            version.scope().metrics.stayed_awake(why.as_str());
            if first {
                tell(version, &why);
            }
        }
    }
}

fn tell(version: &Version, awake: &Awake) {
    let scope = version.scope();
    let (tenant, route, plugin) = (&scope.tenant, &scope.route, &scope.plugin);
    match awake {
        Awake::Refused(reason) => {
            info!(%tenant, %route, %plugin, reason, "instance stays awake, its plugin cannot save");
        }
        Awake::TooLarge(bytes) => {
            let max = version.rules().state_max;
            info!(%tenant, %route, %plugin, bytes, max, "instance stays awake, what it saves is too large");
        }
        Awake::OverQuota(bytes) => {
            info!(%tenant, %route, %plugin, bytes, "instance stays awake, its tenant has saved as much as it may");
        }
    }
}
