//! Decides which upgrades and events are recorded, and queues what was.

use super::Spans;
use crate::config::TracePlan;
use socklet_core::{Beginning, Span, SpanKind, Throttle, TraceId, TraceParent, Tracer};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Records a share of everything, and never more than a rate of spans.
#[derive(Debug)]
pub(super) struct Sampler {
    sample: f64,
    sample_events: f64,
    trust_parent: bool,
    /// How often clients have their way.
    parents: Throttle,
    rate: Throttle,
    queue: mpsc::Sender<Span>,
    spans: Spans,
}

// === impl Sampler ===

impl Sampler {
    pub(super) fn new(plan: &TracePlan, queue: mpsc::Sender<Span>, spans: Spans) -> Self {
        Self {
            sample: plan.sample,
            sample_events: plan.sample_events,
            trust_parent: plan.trust_parent,
            parents: Throttle::new(plan.parent_rate),
            rate: Throttle::new(plan.max_spans),
            queue,
            spans,
        }
    }

    /// Whether there may be one more span now.
    fn has_room(&self, now: Instant) -> bool {
        let room = takes(&self.rate, now);
        if !room {
            self.spans.count("throttled", 1);
        }
        room
    }
}

impl Tracer for Sampler {
    /// What the client wants counts where clients are trusted: who does not record is not recorded, and who does is recorded as often as
    /// the rate for that allows; beyond it, and for all others, the share decides.
    fn begin(&self, parent: Option<TraceParent>) -> Option<Beginning> {
        let now = Instant::now();
        let beginning = match parent.filter(|parent| !self.trust_parent || parent.sampled) {
            Some(parent) if self.trust_parent => {
                let sampled = takes(&self.parents, now) || parent.context.trace.is_within(self.sample);
                sampled.then_some(Beginning::Child(parent))
            }
            parent => {
                let trace = TraceId::next();
                trace.is_within(self.sample).then(|| Beginning::Root(trace, parent.map(|parent| parent.context)))
            }
        };
        beginning.filter(|_| self.has_room(now))
    }

    fn samples_event(&self) -> bool {
        TraceId::next().is_within(self.sample_events)
    }

    fn record(&self, span: Span) {
        // An upgrade has had its room when it began: otherwise its children would have no parent.
        if (span.kind == SpanKind::Server || self.has_room(Instant::now())) && self.queue.try_send(span).is_err() {
            self.spans.count("dropped", 1);
        }
    }
}

fn takes(throttle: &Throttle, now: Instant) -> bool {
    throttle.take(1, now, Duration::ZERO).is_some()
}
