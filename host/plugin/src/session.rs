//! One connection's way to its instance.

use crate::{
    cell::{Cell, Turn},
    failure::Failure,
    guests::{Lost, Started},
    instance::BehaviorInstance,
    metrics::Hook,
    serving::Serving,
    slots::Slot,
    traced::{self, Notes},
    usage::Usage,
    version::Version,
};
use socklet_core::{Answer, Call, CallError, ConnectionId, Event, Lifeline, Session, Trace};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Serves one connection. Dropping a call that is going on drops the instance, and with it every session that shares it.
pub(crate) struct PluginSession {
    cell: Arc<Cell>,
    connection: ConnectionId,
    /// Of the version that accepted the connection.
    usage: Arc<Usage>,
    /// Where its upgrade is recorded.
    trace: Option<Trace>,
}

// === impl PluginSession ===

impl PluginSession {
    pub(crate) fn new(cell: Arc<Cell>, connection: ConnectionId, usage: Arc<Usage>, trace: Option<Trace>) -> Self {
        usage.connections.rise(1);
        cell.serving.roster().enter(connection, &cell);
        if let Some(trace) = &trace {
            cell.serving.traces().enter(&cell, connection, trace.clone());
        }
        Self { cell, connection, usage, trace }
    }
}

impl Session for PluginSession {
    fn call(&mut self, event: Event) -> Call {
        match &self.trace {
            None => call(&self.cell, self.connection, event, Notes::default()),
            Some(trace) => traced::call(trace, &self.cell, self.connection, event),
        }
    }

    fn sees_frames(&self) -> bool {
        self.cell.sees_frames()
    }

    fn lifeline(&self) -> &Lifeline {
        self.cell.lifeline()
    }
}

impl Drop for PluginSession {
    fn drop(&mut self) {
        self.cell.serving.roster().leave(self.connection);
        if self.trace.is_some() {
            self.cell.serving.traces().leave(&self.cell, self.connection);
        }
        self.usage.connections.fall(1);
    }
}

impl fmt::Debug for PluginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSession").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// A call of a connection.
pub(crate) fn call(cell: &Arc<Cell>, connection: ConnectionId, event: Event, notes: Notes) -> Call {
    if let Some(error) = cell.death() {
        return bereaved(cell, error, connection, event, notes);
    }
    if let Some(mut turn) = cell.try_turn(hook(&event))
        && turn.find_room()
    {
        return start(cell, turn, connection, event, notes);
    }
    Call::Pending(Box::pin(wait(cell.clone(), connection, event, notes)))
}

/// A call when it is its turn.
async fn wait(cell: Arc<Cell>, connection: ConnectionId, event: Event, notes: Notes) -> Result<Answer, CallError> {
    let waited = notes.wait(&cell);
    match cell.turn(hook(&event)).await {
        Ok(turn) => {
            notes.has_turn(waited, turn.version().number());
            finished(start(&cell, turn, connection, event, notes)).await
        }
        // Whoever holds the others up, a connection that was opened is closed.
        Err(no_turn) => finished(bereaved(&cell, no_turn.error(), connection, event, notes)).await,
    }
}

/// A call after the instance died, or when it cannot be had: `on-close` runs on an instance of its own, so that what kills it there
/// kills nobody else.
fn bereaved(dead: &Cell, error: CallError, connection: ConnectionId, event: Event, notes: Notes) -> Call {
    if !matches!(event, Event::Close(_)) {
        return Call::Done(Err(error));
    }
    let serving = dead.serving.clone();
    let version = serving.current();
    if let Some(slot) = version.scope().rooms.try_passing() {
        return close(serving, version, slot, connection, event, notes);
    }
    let limit = serving.guests().sleep(version.scope().wait);
    Call::Pending(Box::pin(async move {
        let slot = tokio::select! {
            slot = version.scope().rooms.passing() => slot,
            () = limit => {
                let failure = Failure::Host("no instance was free for on-close".into());
                return Err(version.failed(&failure, Hook::Close));
            }
        };
        finished(close(serving, version, slot, connection, event, notes)).await
    }))
}

fn close(
    serving: Arc<Serving>,
    version: Arc<Version>,
    slot: Slot,
    connection: ConnectionId,
    event: Event,
    notes: Notes,
) -> Call {
    let cell = Cell::for_close(serving, version, slot);
    let turn = cell.try_turn(Hook::Close).expect("nobody else knows the new cell");
    start(&cell, turn, connection, event, notes)
}

fn start(cell: &Arc<Cell>, turn: Turn, connection: ConnectionId, event: Event, notes: Notes) -> Call {
    // Where every event has an instance of its own, none of them has slept.
    if turn.wakes() && !cell.serving.is_fleeting() {
        notes.wakes();
    }
    if turn.may_go_back() || turn.wakes() && matches!(event, Event::Close(_)) {
        return try_out(cell, turn, connection, event, notes);
    }
    begin(cell, turn, connection, event, None, notes)
}

/// A call of which there may be another. Where a new version dies and nobody has heard of it, the older one goes on. Where an
/// instance cannot be woken for the last call of a connection, `on-close` runs on one that loads nothing.
fn try_out(cell: &Arc<Cell>, turn: Turn, connection: ConnectionId, event: Event, notes: Notes) -> Call {
    let entered = Arc::new(AtomicBool::new(false));
    let goes_back = turn.may_go_back();
    let call = begin(cell, turn, connection, event.clone(), Some(entered.clone()), notes.clone());
    let cell = cell.clone();
    Call::Pending(Box::pin(async move {
        match finished(call).await {
            Err(_) if goes_back && cell.death().is_none() => wait(cell, connection, event, notes).await,
            Err(error) if matches!(event, Event::Close(_)) && !entered.load(Relaxed) => {
                finished(bereaved(&cell, error, connection, event, notes)).await
            }
            outcome => outcome,
        }
    }))
}

async fn finished(call: Call) -> Result<Answer, CallError> {
    match call {
        Call::Done(outcome) => outcome,
        Call::Pending(outcome) => outcome.await,
    }
}

/// `entered` is set when the instance is there and the hook is called.
fn begin(
    cell: &Arc<Cell>,
    turn: Turn,
    connection: ConnectionId,
    event: Event,
    entered: Option<Arc<AtomicBool>>,
    notes: Notes,
) -> Call {
    let work = move |mut instance: Box<BehaviorInstance>| async move {
        if let Some(entered) = entered {
            entered.store(true, Relaxed);
        }
        notes.is_entered();
        let answer = instance.on_event(connection, &event).await;
        (instance, answer)
    };
    match turn.start(work, Cell::after_event, |answer| matches!(answer, Answer::Close(_))) {
        Started::Done(outcome) => Call::Done(outcome),
        Started::Moved(moved) => {
            let cell = cell.clone();
            Call::Pending(Box::pin(async move { moved.await.unwrap_or_else(|Lost| Err(cell.lost())) }))
        }
    }
}

fn hook(event: &Event) -> Hook {
    match event {
        Event::Open => Hook::Open,
        Event::Frame(_) => Hook::Frame,
        Event::Message(_) => Hook::Message,
        Event::Close(_) => Hook::Close,
    }
}
