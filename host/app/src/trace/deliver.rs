//! Takes spans from the queue to the collector, in batches. Where the collector is down it waits longer and longer, and in the end gives
//! a batch up.

use super::{
    Spans,
    otlp::Resource,
    post::{Collector, Undelivered},
};
use bytes::Bytes;
use prost::Message;
use socklet_core::Span;
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The most spans of a request.
const BATCH: usize = 512;
/// How often a batch is sent before it is given up.
const TRIES: u32 = 4;
/// The first wait for a collector that is down, and the longest; each is twice as long as the one before.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often the log says that spans are not delivered.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Delivers what is in the queue.
#[derive(Debug)]
pub(super) struct Delivery {
    waiting: mpsc::Receiver<Span>,
    collector: Collector,
    resource: Resource,
    interval: Duration,
    spans: Spans,
    stop: CancellationToken,
    /// Failures in a row.
    failures: u32,
    /// When the log has said so, and how many spans were lost since.
    complained: Option<Instant>,
    lost: usize,
}

// === impl Delivery ===

impl Delivery {
    pub(super) fn new(
        waiting: mpsc::Receiver<Span>,
        collector: Collector,
        resource: Resource,
        interval: Duration,
        spans: Spans,
        stop: CancellationToken,
    ) -> Self {
        Self { waiting, collector, resource, interval, spans, stop, failures: 0, complained: None, lost: 0 }
    }

    /// Delivers until it is told to stop, and then what is left, each batch once.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                received = self.waiting.recv_many(&mut batch, BATCH) => if received == 0 { return },
            }
            let full = sleep_until(Instant::now() + self.interval);
            tokio::pin!(full);
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = full.as_mut() => break,
                    received = self.waiting.recv_many(&mut batch, room) => if received == 0 { break },
                }
            }
            self.deliver(batch).await;
        }
        self.waiting.close();
        loop {
            let mut batch = Vec::new();
            if self.waiting.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.deliver(batch).await;
        }
    }

    async fn deliver(&mut self, batch: Vec<Span>) {
        let spans = batch.len();
        let body = Bytes::from(self.resource.request(batch).encode_to_vec());
        for last in [false; TRIES as usize - 1].into_iter().chain([true]) {
            match self.collector.post(body.clone()).await {
                Ok(rejected) => return self.delivered(spans, rejected.min(spans)),
                Err(error) => {
                    let gives_up = last || !error.again || self.stop.is_cancelled();
                    self.failed(&error, if gives_up { spans } else { 0 });
                    if gives_up && !error.again {
                        return; // the next batch may be another case
                    }
                    let wait = error.after.map_or(self.wait(), |after| after.min(WAITS.1));
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.stop.cancelled() => {}
                    }
                    if gives_up {
                        return;
                    }
                }
            }
        }
    }

    fn delivered(&mut self, spans: usize, rejected: usize) {
        self.spans.count("delivered", spans - rejected);
        if rejected > 0 {
            self.spans.count("failed", rejected);
            let error = Undelivered { why: "the collector rejects spans".to_owned(), again: false, after: None };
            return self.complain(&error, rejected);
        }
        if self.failures > 0 {
            info!(lost = self.lost, "spans are delivered again");
            (self.failures, self.lost, self.complained) = (0, 0, None);
        }
    }

    fn failed(&mut self, error: &Undelivered, lost: usize) {
        self.failures = self.failures.saturating_add(1);
        if lost > 0 {
            self.spans.count("failed", lost);
        }
        self.complain(error, lost);
    }

    fn complain(&mut self, error: &Undelivered, lost: usize) {
        self.lost += lost;
        let now = Instant::now();
        if self.complained.is_none_or(|then| now.duration_since(then) >= COMPLAIN) {
            self.complained = Some(now);
            warn!(error = error.why, lost = std::mem::take(&mut self.lost), "spans are not delivered");
        }
    }

    fn wait(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        WAITS.0.saturating_mul(1 << doublings).min(WAITS.1)
    }
}
