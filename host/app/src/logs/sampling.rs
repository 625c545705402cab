//! Leaves lines out of the log where there are very many of a kind, and says how many.

use crate::config::Log;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use socklet_core::Throttle;
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tracing::{Event, Subscriber, info, warn};
use tracing_subscriber::layer::{Context, Layer};

/// How often the log says how many lines were left out.
pub(super) const TOLD: Duration = Duration::from_secs(60);

/// The kinds.
const KINDS: [&str; 4] = ["accepted", "refused", "closed", "failed"];

/// Lines that were left out by this process.
static LEFT_OUT: LazyLock<Family<KindLabels, Counter>> = LazyLock::new(Family::default);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Decides for each line of a kind. Clones decide together.
#[derive(Clone, Debug)]
pub(super) struct Sampling(Arc<[Kind; 4]>);

/// Lines of one kind: whoever writes them has given them its name.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// Of those that there are, from 0 to 1.
    share: f64,
    lines: AtomicU64,
    rate: Option<Throttle>,
    /// Lines that were left out, and nobody was told of.
    left_out: AtomicU64,
    counter: Counter,
}

/// How many lines of each kind were left out.
pub(crate) fn left_out()
-> Family<impl EncodeLabelSet + Clone + std::hash::Hash + Eq + Send + Sync + std::fmt::Debug, Counter> {
    KINDS.iter().for_each(|kind| drop(LEFT_OUT.get_or_create_owned(&KindLabels { kind })));
    LEFT_OUT.clone()
}

// === impl Sampling ===

impl Sampling {
    pub(super) fn new(log: &Log) -> Self {
        let kind = |name, share| Kind {
            name,
            share,
            lines: AtomicU64::new(0),
            rate: log.max_rate.0.map(Throttle::new),
            left_out: AtomicU64::new(0),
            counter: LEFT_OUT.get_or_create_owned(&KindLabels { kind: name }),
        };
        let sample = log.sample;
        // What plugins failed in is not sampled.
        let shares = [sample.accepted, sample.refused, sample.closed, 1.0];
        Self(Arc::new(std::array::from_fn(|index| kind(KINDS[index], shares[index]))))
    }

    /// Says how many lines were left out since it was said the last time.
    pub(super) fn tell(&self) {
        for Kind { name, left_out, .. } in &*self.0 {
            match left_out.swap(0, Relaxed) {
                0 => {}
                lines if *name == "failed" => warn!(kind = name, lines, "log lines were left out"),
                lines => info!(kind = name, lines, "log lines were left out"),
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Sampling {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let name = event.metadata().name();
        self.0.iter().find(|kind| kind.name == name).is_none_or(|kind| kind.lets(Instant::now()))
    }
}

// === impl Kind ===

impl Kind {
    /// Whether the next line is written.
    fn lets(&self, now: Instant) -> bool {
        let passes =
            self.is_sampled() && self.rate.as_ref().is_none_or(|rate| rate.take(1, now, Duration::ZERO).is_some());
        if !passes {
            self.left_out.fetch_add(1, Relaxed);
            self.counter.inc();
        }
        passes
    }

    /// The first one, and then evenly.
    fn is_sampled(&self) -> bool {
        if self.share >= 1.0 {
            return true;
        }
        let before = self.lines.fetch_add(1, Relaxed) as f64;
        ((before + 1.0) * self.share).ceil() > (before * self.share).ceil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, config::Sample};

    fn sampling(change: impl FnOnce(&mut Log)) -> Sampling {
        let mut log = Config::parse("", "a.toml").unwrap().log;
        change(&mut log);
        Sampling::new(&log)
    }

    #[test]
    fn a_share_of_lines_is_written_evenly() {
        let sampling = sampling(|log| log.sample = Sample { accepted: 0.25, refused: 0.0, closed: 1.0 });
        let written = |kind: usize| (0..8).map(|_| sampling.0[kind].lets(Instant::now())).collect::<Vec<_>>();
        let quarter = [true, false, false, false];
        assert_eq!(written(0), [quarter, quarter].concat());
        assert_eq!(written(1), [false; 8]);
        assert_eq!([written(2), written(3)], [[true; 8]; 2]);
        let left_out = sampling.0.each_ref().map(|kind| kind.left_out.load(Relaxed));
        assert_eq!(left_out, [6, 8, 0, 0]);
        sampling.tell();
        assert!(sampling.0.iter().all(|kind| kind.left_out.load(Relaxed) == 0));
    }

    #[test]
    fn each_kind_has_a_rate_of_its_own() {
        let sampling = sampling(|log| log.max_rate.0 = Some(socklet_core::Rate::per_second(2)));
        let now = Instant::now();
        let written = |kind: usize, now| (0..3).filter(|_| sampling.0[kind].lets(now)).count();
        assert_eq!([written(0, now), written(3, now), written(3, now)], [2, 2, 0]);
        assert_eq!(written(3, now + Duration::from_secs(1)), 2);
    }
}
