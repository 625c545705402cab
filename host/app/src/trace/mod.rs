//! Traces: what becomes of some upgrade requests and their connections, as spans for a collector of OpenTelemetry.
//!
//! A [`Sampler`] decides what is recorded and puts it into a queue; a task takes it from there to the collector. Neither connections nor
//! plugins ever wait for that: what finds the queue full is dropped and counted.

mod deliver;
mod otlp;
mod post;
mod sampler;

use crate::config::TracePlan;
use deliver::Delivery;
use otlp::Resource;
use post::Collector;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use sampler::Sampler;
use socklet_core::Tracer;
use std::{io, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long the last spans may take while the server stops.
const LAST: Duration = Duration::from_secs(5);

/// Traces that are recorded and delivered.
#[derive(Debug)]
pub(crate) struct Tracing {
    sampler: Arc<Sampler>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// What became of spans. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Spans(Family<Outcome, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

// === impl Tracing ===

impl Tracing {
    /// Begins to deliver. Nothing is recorded before somebody asks the tracer.
    ///
    /// # Errors
    ///
    /// When there are no certificates to know the collector by.
    pub(crate) fn start(plan: &TracePlan, registry: &mut Registry) -> io::Result<Self> {
        let spans = Spans::register(registry);
        let collector = Collector::new(plan)?;
        let (queue, waiting) = mpsc::channel(plan.queue);
        let sampler = Arc::new(Sampler::new(plan, queue, spans.clone()));
        let stop = CancellationToken::new();
        let resource = Resource::new(&plan.attributes);
        let delivery = Delivery::new(waiting, collector, resource, plan.interval, spans, stop.clone());
        Ok(Self { sampler, stop, task: AbortOnDropHandle::new(tokio::spawn(delivery.run())) })
    }

    /// Who records.
    pub(crate) fn tracer(&self) -> Arc<dyn Tracer> {
        self.sampler.clone()
    }

    /// Delivers what is left, as far as that is possible in a few seconds.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        let _ = timeout(LAST, self.task).await; // what is left then is lost with the collector
    }
}

// === impl Spans ===

impl Spans {
    /// Registers the metric.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let spans = Self(Family::default());
        for outcome in ["delivered", "throttled", "dropped", "failed"] {
            spans.count(outcome, 0);
        }
        registry.register("trace_spans", "Spans, by what became of them", spans.0.clone());
        spans
    }

    fn count(&self, outcome: &'static str, spans: usize) {
        self.0.get_or_create(&Outcome { outcome }).inc_by(spans as u64);
    }
}
