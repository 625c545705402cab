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
        let beginning = match parent {
            Some(parent) if self.trust_parent => {
                let beyond = || parent.context.trace.is_within(self.sample);
                let sampled = parent.sampled && (takes(&self.parents, now) || beyond());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, config::TracePlan};
    use prometheus_client::registry::Registry;
    use socklet_core::Rate;

    fn sampler(change: impl FnOnce(&mut TracePlan)) -> (Sampler, mpsc::Receiver<Span>) {
        let config = Config::parse("[trace]\nendpoint = \"http://a\"\nsample = 0\nmax_spans = \"1000000/s\"", "a.toml");
        let mut plan = config.unwrap().trace.unwrap();
        change(&mut plan);
        let (queue, waiting) = mpsc::channel(plan.queue);
        (Sampler::new(&plan, queue, Spans::register(&mut Registry::default())), waiting)
    }

    fn parent(trace: &str, sampled: bool) -> Option<TraceParent> {
        let parent = TraceParent::parse(&format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(sampled)), None);
        Some(parent.unwrap())
    }

    /// Traces at both ends of what is sampled.
    const FIRST: &str = "4bf92f3577b34da6a300000000000001";
    const LAST: &str = "4bf92f3577b34da6a3ffffffffffffff";

    #[test]
    fn who_is_not_trusted_is_linked_to() {
        let (sampler, _waiting) = sampler(|plan| plan.sample = 1.0);
        for sampled in [true, false] {
            let Some(Beginning::Root(trace, link)) = sampler.begin(parent(LAST, sampled)) else { panic!("a root") };
            assert_ne!(trace.to_string(), LAST);
            assert_eq!(link, parent(LAST, sampled).map(|parent| parent.context));
        }
        assert!(matches!(sampler.begin(None), Some(Beginning::Root(_, None))));
        let (sampler, _waiting) = self::sampler(|_| {});
        assert_eq!((sampler.begin(parent(FIRST, true)), sampler.begin(None)), (None, None));
    }

    #[test]
    fn who_is_trusted_decides_up_to_a_rate_and_by_share_beyond_it() {
        let (sampler, _waiting) = sampler(|plan| {
            (plan.trust_parent, plan.sample, plan.parent_rate) = (true, 0.5, Rate::per_second(1));
        });
        let begins = |trace, sampled| sampler.begin(parent(trace, sampled)).is_some();
        assert!(begins(LAST, true));
        for _ in 0..3 {
            assert_eq!([begins(LAST, true), begins(FIRST, true), begins(FIRST, false)], [false, true, false]);
        }
        assert_eq!(sampler.begin(parent(FIRST, true)), parent(FIRST, true).map(Beginning::Child));
    }

    #[test]
    fn nothing_is_more_than_the_rate_or_waits_beyond_the_queue() {
        let (sampler, mut waiting) = sampler(|plan| {
            (plan.sample, plan.max_spans, plan.queue) = (1.0, "3/m".parse().unwrap(), 2);
        });
        let tracer: std::sync::Arc<dyn Tracer> = std::sync::Arc::new(sampler);
        let (trace, upgrade) = socklet_core::Trace::begin(&tracer, None).unwrap();
        trace.child("one").end();
        upgrade.end();
        trace.child("two").end();
        trace.child("three").end();
        assert!(tracer.begin(None).is_none());
        let names = [waiting.try_recv(), waiting.try_recv()].map(|span| span.unwrap().name);
        assert_eq!(names, ["one", ""], "two found the queue full, and for three there was no room");
        assert!(waiting.try_recv().is_err());
    }
}
