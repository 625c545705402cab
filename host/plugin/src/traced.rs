//! Calls for connections whose upgrade is recorded: each is a span that links to that. For all others nothing in here is done.

use crate::{cell::Cell, session};
use socklet_core::{Answer, Call, CallError, ConnectionId, Event, OpenSpan, SpanValue, Trace};
use std::{
    collections::HashMap,
    fmt::Display,
    slice,
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};
use tracing::{Instrument, Span, error_span};

/// The most connections that an event of a shared instance links to.
const LINKS_MAX: usize = 32;

/// The connections of a route whose upgrade is recorded, by the cell that serves them.
#[derive(Default)]
pub(crate) struct Traces(Mutex<HashMap<usize, Vec<(ConnectionId, Trace)>>>);

/// What a call leaves on its way to the instance, where somebody wants to know. Clones are of the same call.
#[derive(Clone, Default)]
pub(crate) struct Notes(Option<Arc<Mutex<Stages>>>);

#[derive(Default)]
struct Stages {
    /// The instance moved: from one version to another.
    swap: Option<(Time, u32, u32)>,
    /// It was woken, or is waking up.
    wake: Option<Time>,
}

type Time = (SystemTime, SystemTime);

/// An event that is recorded while it goes on.
pub(crate) struct Recorded {
    span: OpenSpan,
    notes: Notes,
}

// === impl Traces ===

impl Traces {
    /// A connection is served by a cell from now on. The cell stays until [`Traces::leave`].
    pub(crate) fn enter(&self, cell: &Arc<Cell>, connection: ConnectionId, trace: Trace) {
        self.cells().entry(address(cell)).or_default().push((connection, trace));
    }

    pub(crate) fn leave(&self, cell: &Arc<Cell>, connection: ConnectionId) {
        let mut cells = self.cells();
        if let Some(traces) = cells.get_mut(&address(cell)) {
            traces.retain(|(other, _)| *other != connection);
            if traces.is_empty() {
                cells.remove(&address(cell));
            }
        }
    }

    /// Some of those that a cell serves.
    fn of(&self, cell: &Arc<Cell>) -> Vec<Trace> {
        let cells = self.cells();
        let traces = cells.get(&address(cell)).into_iter().flatten();
        traces.take(LINKS_MAX).map(|(_, trace)| trace.clone()).collect()
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<usize, Vec<(ConnectionId, Trace)>>> {
        self.0.lock().expect("a look-up does not panic")
    }
}

fn address(cell: &Arc<Cell>) -> usize {
    Arc::as_ptr(cell).addr()
}

// === impl Notes ===

impl Notes {
    fn wanted() -> Self {
        Self(Some(Arc::default()))
    }

    /// The version of a cell and the time, for [`Notes::has_turn`].
    pub(crate) fn wait(&self, cell: &Cell) -> Option<(SystemTime, u32)> {
        self.0.as_ref().map(|_| (SystemTime::now(), cell.version()))
    }

    /// The wait is over: maybe the instance has moved meanwhile.
    pub(crate) fn has_turn(&self, waited: Option<(SystemTime, u32)>, version: u32) {
        if let Some(mut stages) = self.stages()
            && let Some((since, before)) = waited
            && before != version
        {
            stages.swap = Some(((since, SystemTime::now()), before, version));
        }
    }

    /// An instance wakes up.
    pub(crate) fn wakes(&self) {
        if let Some(mut stages) = self.stages() {
            let now = SystemTime::now();
            stages.wake = Some((now, now));
        }
    }

    /// The instance is there, and is called.
    pub(crate) fn is_entered(&self) {
        if let Some(mut stages) = self.stages()
            && let Some((_, until)) = &mut stages.wake
        {
            *until = SystemTime::now();
        }
    }

    fn stages(&self) -> Option<MutexGuard<'_, Stages>> {
        self.0.as_ref().map(|stages| stages.lock().expect("a note does not panic"))
    }
}

// === impl Recorded ===

impl Recorded {
    fn new(mut span: OpenSpan, cell: &Cell) -> Self {
        let serving = &cell.serving;
        for (name, value) in [
            ("socklet.tenant", serving.tenant() as &dyn Display),
            ("socklet.route", serving.route()),
            ("socklet.plugin", &serving.plugin()),
        ] {
            span.set(name, value.to_string());
        }
        Self { span, notes: Notes::wanted() }
    }

    /// A timer of a cell that serves connections which are recorded.
    pub(crate) fn timer(cell: &Arc<Cell>) -> Option<Self> {
        let span = Trace::event("on-timer", &cell.serving.traces().of(cell))?;
        Some(Self::new(span, cell))
    }

    /// There was no event after all.
    pub(crate) fn forget(recorded: Option<Self>) {
        if let Some(recorded) = recorded {
            recorded.span.forget();
        }
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// The event is over.
    pub(crate) fn end(mut self, cell: &Cell, outcome: Result<&'static str, &CallError>) {
        if let Some(mut stages) = self.notes.stages() {
            if let Some((time, from, to)) = stages.swap.take() {
                let versions: Vec<(_, SpanValue)> =
                    vec![("socklet.version.before", from.into()), ("socklet.version", to.into())];
                self.span.add("swap", time, versions);
            }
            if let Some(time) = stages.wake.take() {
                self.span.add("wake-up", time, Vec::new());
            }
        }
        self.span.set("socklet.version", cell.version());
        match outcome {
            Ok(outcome) => self.span.set("socklet.outcome", outcome),
            Err(error) => self.span.fail_call(error),
        }
        self.span.end();
    }
}

/// A call of a session. What is logged meanwhile says whose it is.
pub(crate) fn call(trace: &Trace, cell: &Arc<Cell>, connection: ConnectionId, event: Event) -> Call {
    let Some(span) = begin(trace, connection, &event) else {
        return session::call(cell, connection, event, Notes::default());
    };
    let recorded = Recorded::new(span, cell);
    let log = log_span(trace, connection);
    let call = log.in_scope(|| session::call(cell, connection, event, recorded.notes()));
    match call {
        Call::Done(outcome) => {
            recorded.end(cell, said(&outcome));
            Call::Done(outcome)
        }
        Call::Pending(call) => {
            let cell = cell.clone();
            let answered = async move {
                let outcome = call.await;
                recorded.end(&cell, said(&outcome));
                outcome
            };
            Call::Pending(Box::pin(answered.instrument(log)))
        }
    }
}

/// An error, so that it is there at every level of the log.
fn log_span(trace: &Trace, connection: ConnectionId) -> Span {
    error_span!("connection", id = %connection, trace_id = %trace.id())
}

fn begin(trace: &Trace, connection: ConnectionId, event: &Event) -> Option<OpenSpan> {
    let name = match event {
        Event::Open => "on-open",
        Event::Frame(_) => "on-frame",
        Event::Message(_) => "on-message",
        Event::Close(_) => "on-close",
    };
    // It comes right behind the 101.
    let mut span = match event {
        Event::Open => trace.child(name),
        _ => Trace::event(name, slice::from_ref(trace))?,
    };
    span.set("socklet.connection", connection.to_string());
    match event {
        Event::Open => {}
        Event::Frame(frame) => {
            span.set("socklet.opcode", frame.opcode.as_str());
            span.set("socklet.size", frame.payload.len());
        }
        Event::Message(message) => {
            span.set("socklet.opcode", message.opcode().as_str());
            span.set("socklet.size", message.len());
        }
        Event::Close(ending) => {
            span.set("socklet.close.code", ending.frame.code().get());
            span.set("socklet.close.cause", ending.cause.as_str());
        }
    }
    Some(span)
}

fn said(outcome: &Result<Answer, CallError>) -> Result<&'static str, &CallError> {
    outcome.as_ref().map(|answer| match answer {
        Answer::Proceed => "ok",
        Answer::Skip => "skip",
        Answer::Close(_) => "close",
    })
}
