//! What a plugin uses, to bill by: for each tenant, route and version.

mod integral;
mod ledger;
mod stopwatch;

pub(crate) use integral::Integral;
pub(crate) use ledger::Ledger;
pub use ledger::UsageRow;
pub(crate) use stopwatch::Stopwatch;

use crate::durations::{SHARDS, shard};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What one version of a plugin has used on one route. Counting takes no lock, and threads that call much do not share a cache line.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    shards: [OnceLock<Box<Shard>>; SHARDS],
    /// Bytes of guest memory.
    pub(crate) memory: Integral,
    /// Connections that it has accepted.
    pub(crate) connections: Integral,
}

/// What a call has used, as it is known while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(crate) host_calls: u64,
    pub(crate) messages_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) bytes_sent: u64,
}

/// What was counted up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) deaths: u64,
    pub(crate) cpu_nanos: u64,
    pub(crate) host_calls: u64,
    pub(crate) messages_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) bytes_sent: u64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    calls: AtomicU64,
    deaths: AtomicU64,
    cpu_nanos: AtomicU64,
    host_calls: AtomicU64,
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
}

// === impl Usage ===

impl Usage {
    /// A call has ended.
    pub(crate) fn called(&self, cpu: Duration, died: bool) {
        let shard = self.shard();
        shard.calls.fetch_add(1, Relaxed);
        shard.cpu_nanos.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        add(&shard.deaths, died.into());
    }

    /// Takes over what a call has used, and clears it.
    pub(crate) fn settle(&self, spent: &mut Spent) {
        let spent = std::mem::take(spent);
        let shard = self.shard();
        add(&shard.host_calls, spent.host_calls);
        add(&shard.messages_received, spent.messages_received);
        add(&shard.bytes_received, spent.bytes_received);
        add(&shard.messages_sent, spent.messages_sent);
        add(&shard.bytes_sent, spent.bytes_sent);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            counts.calls += shard.calls.load(Relaxed);
            counts.deaths += shard.deaths.load(Relaxed);
            counts.cpu_nanos += shard.cpu_nanos.load(Relaxed);
            counts.host_calls += shard.host_calls.load(Relaxed);
            counts.messages_received += shard.messages_received.load(Relaxed);
            counts.bytes_received += shard.bytes_received.load(Relaxed);
            counts.messages_sent += shard.messages_sent.load(Relaxed);
            counts.bytes_sent += shard.bytes_sent.load(Relaxed);
        }
        counts
    }

    fn shard(&self) -> &Shard {
        self.shards[shard()].get_or_init(Box::default)
    }
}

fn add(counter: &AtomicU64, n: u64) {
    // Most calls leave most counters as they are, and an addition of nothing is not free.
    if n > 0 {
        counter.fetch_add(n, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let usage = Usage::default();
        std::thread::scope(|scope| {
            for thread in 0..20 {
                let usage = &usage;
                scope.spawn(move || {
                    usage.called(Duration::from_nanos(5), thread % 2 == 0);
                    let mut spent = Spent { host_calls: 3, bytes_sent: 7, ..Spent::default() };
                    usage.settle(&mut spent);
                    usage.settle(&mut spent);
                });
            }
        });
        let expected =
            Counts { calls: 20, deaths: 10, cpu_nanos: 100, host_calls: 60, bytes_sent: 140, ..Counts::default() };
        assert_eq!(usage.counts(), expected);
    }
}
