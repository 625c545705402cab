//! The seam at which it is recorded what becomes of an upgrade request, and of the connection that it became.
//!
//! An upgrade is a span, and what is asked on its way are children of it. What happens to the connection later may be hours away: each
//! such event is a trace of its own that links to the upgrade. Whoever is not traced has no [`Trace`], and nothing is done for it.

mod context;
mod span;

pub use context::{SpanContext, SpanId, TraceId, TraceParent};
pub use span::{Span, SpanKind, SpanValue};

use crate::{CallError, EventId};
use std::{
    borrow::Cow,
    fmt::{self, Debug},
    sync::Arc,
    time::SystemTime,
};

/// Decides what is recorded, and takes it. Called in the middle of things: it waits for nothing.
pub trait Tracer: Debug + Send + Sync {
    /// Decides on an upgrade whose client says this of its own span.
    fn begin(&self, parent: Option<TraceParent>) -> Option<Beginning>;

    /// Decides on an event of a connection whose upgrade was recorded.
    fn samples_event(&self) -> bool;

    /// Takes a span.
    fn record(&self, span: Span);
}

/// How the span of an upgrade begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A trace of its own, which may link to the client's span.
    Root(TraceId, Option<SpanContext>),
    /// A child of the client's span.
    Child(TraceParent),
}

/// A connection whose upgrade is recorded. Clones are of the same.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    tracer: Arc<dyn Tracer>,
    upgrade: SpanContext,
    state: Option<Arc<str>>,
}

/// A span that has begun. Dropped before [`OpenSpan::end`], it is recorded as one that was given up.
pub struct OpenSpan {
    tracer: Arc<dyn Tracer>,
    // None when it was ended.
    span: Option<Box<Span>>,
    children: Vec<Span>,
    /// Whether it is recorded where nothing fails.
    sampled: bool,
}

// === impl Trace ===

impl Trace {
    /// Begins the span of an upgrade, if that is recorded.
    pub fn begin(tracer: &Arc<dyn Tracer>, parent: Option<TraceParent>) -> Option<(Self, OpenSpan)> {
        let beginning = tracer.begin(parent)?;
        let trace = match &beginning {
            Beginning::Root(trace, _) => *trace,
            Beginning::Child(parent) => parent.context.trace,
        };
        let mut span = Span::new(SpanContext { trace, span: SpanId::next() }, "", SpanKind::Server);
        match beginning {
            Beginning::Root(_, link) => span.links.extend(link),
            Beginning::Child(parent) => (span.parent, span.state) = (Some(parent.context.span), parent.state),
        }
        let inner = Inner { tracer: tracer.clone(), upgrade: span.context, state: span.state.clone() };
        Some((Self(Arc::new(inner)), OpenSpan::new(tracer, span, true)))
    }

    /// The trace that the upgrade belongs to.
    pub fn id(&self) -> TraceId {
        self.0.upgrade.trace
    }

    /// The span of the upgrade.
    pub fn upgrade(&self) -> SpanContext {
        self.0.upgrade
    }

    /// What tracing systems before us have added to the trace.
    pub fn state(&self) -> Option<&str> {
        self.0.state.as_deref()
    }

    /// Begins a part of the upgrade.
    pub fn child(&self, name: &'static str) -> OpenSpan {
        let upgrade = self.0.upgrade;
        let context = SpanContext { trace: upgrade.trace, span: SpanId::next() };
        let mut span = Span::new(context, name, SpanKind::Internal);
        (span.parent, span.state) = (Some(upgrade.span), self.0.state.clone());
        OpenSpan::new(&self.0.tracer, span, true)
    }

    /// Begins an event of these connections, one of them at least: a trace of its own. Recorded where it is sampled, and where it fails.
    pub fn event(name: &'static str, traces: &[Self]) -> Option<OpenSpan> {
        let tracer = &traces.first()?.0.tracer;
        let context = SpanContext { trace: TraceId::next(), span: SpanId::next() };
        let mut span = Span::new(context, name, SpanKind::Internal);
        span.links = traces.iter().map(Self::upgrade).collect();
        Some(OpenSpan::new(tracer, span, tracer.samples_event()))
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        self.0.upgrade == other.0.upgrade
    }
}

impl Eq for Trace {}

impl Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.0.upgrade).finish()
    }
}

// === impl OpenSpan ===

impl OpenSpan {
    fn new(tracer: &Arc<dyn Tracer>, span: Span, sampled: bool) -> Self {
        Self { tracer: tracer.clone(), span: Some(Box::new(span)), children: Vec::new(), sampled }
    }

    /// Gives it another name: one of few.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.span {
            span.name = name.into();
        }
    }

    /// Says more of it, by OpenTelemetry's names or ones that begin with `socklet.`.
    pub fn set(&mut self, name: &'static str, value: impl Into<SpanValue>) {
        if let Some(span) = &mut self.span {
            span.attributes.push((name, value.into()));
        }
    }

    /// It fails: with an `error.type`, and where the log tells more. Only the first time counts.
    pub fn fail(&mut self, kind: &'static str, event: Option<EventId>) {
        let Some(span) = self.span.as_mut().filter(|span| span.error.is_none()) else { return };
        span.error = Some(match event {
            Some(event) => format!("{kind}, event {event}").into(),
            None => kind.into(),
        });
        span.attributes.push(("error.type", kind.into()));
        span.attributes.extend(event.map(|event| ("socklet.event", event.to_string().into())));
    }

    /// It fails because a plugin could not be called, or died of it.
    pub fn fail_call(&mut self, error: &CallError) {
        match *error {
            CallError::Died { kind, event } => self.fail(kind.as_str(), Some(event)),
            CallError::Busy { event } => self.fail("busy", Some(event)),
            CallError::Host { event } => self.fail("host", Some(event)),
            CallError::Resting { .. } => self.fail("resting", None),
        }
    }

    /// Something that was a part of it and is over.
    pub fn add(
        &mut self,
        name: &'static str,
        (start, end): (SystemTime, SystemTime),
        attributes: Vec<(&'static str, SpanValue)>,
    ) {
        let Some(span) = &self.span else { return };
        let context = SpanContext { trace: span.context.trace, span: SpanId::next() };
        let child = Span::new(context, name, SpanKind::Internal);
        let (parent, state) = (Some(span.context.span), span.state.clone());
        self.children.push(Span { parent, state, start, end: end.max(start), attributes, ..child });
    }

    /// Ends it, now.
    pub fn end(mut self) {
        self.finish();
    }

    /// Forgets it: there was nothing to record.
    pub fn forget(mut self) {
        self.span = None;
    }

    fn finish(&mut self) {
        let Some(mut span) = self.span.take().filter(|span| self.sampled || span.error.is_some()) else { return };
        span.end = SystemTime::now().max(span.start);
        for child in self.children.drain(..) {
            self.tracer.record(child);
        }
        self.tracer.record(*span);
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        self.fail("abandoned", None);
        self.finish();
    }
}

impl Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenSpan").field(&self.span).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeathKind;
    use std::sync::Mutex;

    /// Records everything, or only what fails.
    #[derive(Debug, Default)]
    struct Recorder {
        events: bool,
        continues: bool,
        spans: Mutex<Vec<Span>>,
    }

    impl Tracer for Recorder {
        fn begin(&self, parent: Option<TraceParent>) -> Option<Beginning> {
            match parent {
                Some(parent) if self.continues => Some(Beginning::Child(parent)),
                parent => Some(Beginning::Root(TraceId::next(), parent.map(|parent| parent.context))),
            }
        }

        fn samples_event(&self) -> bool {
            self.events
        }

        fn record(&self, span: Span) {
            self.spans.lock().unwrap().push(span);
        }
    }

    fn parent() -> TraceParent {
        let field = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        TraceParent::parse(field, Some("a=1")).unwrap()
    }

    fn begin(recorder: Recorder) -> (Arc<Recorder>, Trace, OpenSpan) {
        let recorder = Arc::new(recorder);
        let tracer: Arc<dyn Tracer> = recorder.clone();
        let (trace, span) = Trace::begin(&tracer, Some(parent())).unwrap();
        (recorder, trace, span)
    }

    #[test]
    fn children_belong_to_the_upgrade_and_events_link_to_it() {
        let (recorder, trace, upgrade) = begin(Recorder { events: true, continues: true, ..Recorder::default() });
        trace.child("authenticate").end();
        upgrade.end();
        let mut event = Trace::event("on-message", std::slice::from_ref(&trace)).unwrap();
        event.add("wake-up", (SystemTime::now(), SystemTime::UNIX_EPOCH), vec![]);
        event.end();
        let spans = recorder.spans.lock().unwrap();
        let [child, upgrade, wake_up, event] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((upgrade.context, upgrade.kind), (trace.upgrade(), SpanKind::Server));
        assert_eq!((upgrade.context.trace, upgrade.parent), (parent().context.trace, Some(parent().context.span)));
        assert_eq!((child.context.trace, child.parent), (trace.id(), Some(trace.upgrade().span)));
        assert_eq!([&child.state, &upgrade.state], [&parent().state; 2]);
        assert_ne!(event.context.trace, trace.id());
        assert_eq!((event.parent, &event.links[..]), (None, &[trace.upgrade()][..]));
        assert_eq!((wake_up.context.trace, wake_up.parent), (event.context.trace, Some(event.context.span)));
        assert!(wake_up.end >= wake_up.start);
    }

    #[test]
    fn a_trace_of_its_own_links_to_the_client() {
        let (recorder, trace, upgrade) = begin(Recorder::default());
        upgrade.end();
        let spans = recorder.spans.lock().unwrap();
        assert_ne!(trace.id(), parent().context.trace);
        assert_eq!((spans[0].parent, &spans[0].links[..]), (None, &[parent().context][..]));
        assert_eq!(trace.state(), None);
    }

    #[test]
    fn what_fails_is_recorded_in_any_case() {
        let (recorder, trace, upgrade) = begin(Recorder::default());
        upgrade.forget();
        let traces = [trace];
        Trace::event("on-message", &traces).unwrap().end();
        assert_eq!(*recorder.spans.lock().unwrap(), []);
        let event = EventId::next();
        let mut died = Trace::event("on-message", &traces).unwrap();
        died.fail_call(&CallError::Died { kind: DeathKind::Deadline, event });
        died.fail("later", None);
        died.end();
        drop(Trace::event("on-close", &traces));
        let spans = recorder.spans.lock().unwrap();
        let [died, given_up] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(died.error.as_deref(), Some(format!("deadline, event {event}").as_str()));
        let event = ("socklet.event", SpanValue::from(event.to_string()));
        assert_eq!(died.attributes, [("error.type", "deadline".into()), event]);
        assert_eq!(given_up.error.as_deref(), Some("abandoned"));
    }
}
