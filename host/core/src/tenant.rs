//! Tenants: who owns routes, and what all routes of one may have together.

use crate::{Rate, Tally, TenantName, Throttle};
use std::{
    fmt,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// What all routes of a tenant may have together on one node. None: there is no end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The most WebSocket connections, those in a handshake included.
    pub connections: Option<usize>,
    /// How fast connections may be opened.
    pub connection_rate: Option<Rate>,
    /// How fast messages may arrive, at all connections together.
    pub messages: Option<Rate>,
    /// How many bytes of messages may arrive in a second, at all connections together.
    pub bytes_per_second: Option<u64>,
    /// The most topics that have a subscriber; topics of two routes are two, whatever their names.
    pub topics: Option<usize>,
    /// The most instances of plugins at a time.
    pub instances: Option<usize>,
    /// The most memory of these instances together, in bytes.
    pub memory: Option<usize>,
    /// The CPU time of plugins in each second: half a core is 500 ms.
    pub cpu: Option<Duration>,
    /// The most timers that are set.
    pub timers: Option<usize>,
    /// How fast plugins may write lines to the log.
    pub log_lines: Option<Rate>,
    /// The most bytes that hibernated instances have saved together.
    pub saved_state: Option<usize>,
    /// The most bytes in its key-value stores together.
    pub keyvalue: Option<usize>,
    /// The most HTTP requests that plugins make at a time.
    pub http_requests: Option<usize>,
}

/// A tenant: its name, its quotas, and what it has of them. One for each tenant of a node; its routes share it.
#[derive(Debug)]
pub struct Tenant {
    name: TenantName,
    /// Only for whoever asks what they are.
    quotas: RwLock<Quotas>,
    connections: Tally,
    topics: Tally,
    openings: Throttle,
    messages: Throttle,
    bytes: Throttle,
    memory: Tally,
    timers: Tally,
    saved_state: Tally,
    cpu: Throttle,
    log_lines: Throttle,
    held: AtomicBool,
}

/// The CPU time that a tenant has not used is kept for so long: it may use this much of its share at once.
const CPU_WINDOW: Duration = Duration::from_millis(100);

// === impl Tenant ===

impl Tenant {
    /// A tenant that has nothing yet.
    pub fn new(name: TenantName, quotas: Quotas) -> Self {
        Self {
            name,
            connections: Tally::new(quotas.connections),
            topics: Tally::new(quotas.topics),
            openings: quotas.connection_rate.map_or_else(Throttle::unlimited, Throttle::new),
            messages: quotas.messages.map_or_else(Throttle::unlimited, Throttle::new),
            bytes: quotas.bytes_per_second.map_or_else(Throttle::unlimited, Throttle::per_second),
            memory: Tally::new(quotas.memory),
            timers: Tally::new(quotas.timers),
            saved_state: Tally::new(quotas.saved_state),
            cpu: quotas.cpu.map_or_else(Throttle::unlimited, |cpu| Throttle::time(cpu, CPU_WINDOW)),
            log_lines: quotas.log_lines.map_or_else(Throttle::unlimited, Throttle::new),
            quotas: RwLock::new(quotas),
            held: AtomicBool::new(false),
        }
    }

    /// Lets nobody new in to any of its routes, or does so again.
    pub fn hold(&self, held: bool) {
        self.held.store(held, SeqCst);
    }

    /// Whether nobody new comes in.
    pub fn is_held(&self) -> bool {
        self.held.load(SeqCst)
    }

    /// Gives it other quotas. What it has stays, also where that is more than it may have from now on. To be called by one thread at a
    /// time; the quota of instances is the engine's to change.
    pub fn set_quotas(&self, quotas: Quotas) {
        // Made anew to be copied: this says once how a quota becomes what counts.
        let Self {
            name,
            quotas: _,
            connections,
            topics,
            openings,
            messages,
            bytes,
            memory,
            timers,
            saved_state,
            cpu,
            log_lines,
            held: _,
        } = self;
        let new = Self::new(name.clone(), quotas.clone());
        connections.set_max(quotas.connections);
        topics.set_max(quotas.topics);
        memory.set_max(quotas.memory);
        timers.set_max(quotas.timers);
        saved_state.set_max(quotas.saved_state);
        openings.become_like(&new.openings);
        messages.become_like(&new.messages);
        bytes.become_like(&new.bytes);
        cpu.become_like(&new.cpu);
        log_lines.become_like(&new.log_lines);
        *self.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// Its name.
    pub fn name(&self) -> &TenantName {
        &self.name
    }

    /// What it may have.
    pub fn quotas(&self) -> Quotas {
        self.quotas.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its connections.
    pub fn connections(&self) -> &Tally {
        &self.connections
    }

    /// How fast connections may be opened; none where that is not limited.
    pub fn openings(&self) -> Option<&Throttle> {
        Some(&self.openings).filter(|throttle| throttle.is_limited())
    }

    /// Its topics that have a subscriber.
    pub fn topics(&self) -> &Tally {
        &self.topics
    }

    /// How fast messages may arrive; none where that is not limited.
    pub fn messages(&self) -> Option<&Throttle> {
        Some(&self.messages).filter(|throttle| throttle.is_limited())
    }

    /// Bytes of guest memory.
    pub fn memory(&self) -> &Tally {
        &self.memory
    }

    /// Its timers that are set.
    pub fn timers(&self) -> &Tally {
        &self.timers
    }

    /// Bytes that its hibernated instances have saved.
    pub fn saved_state(&self) -> &Tally {
        &self.saved_state
    }

    /// How fast CPU time may be used, in nanoseconds; none where that is not limited.
    pub fn cpu(&self) -> Option<&Throttle> {
        Some(&self.cpu).filter(|throttle| throttle.is_limited())
    }

    /// How fast its plugins may write to the log; none where that is not limited.
    pub fn log_lines(&self) -> Option<&Throttle> {
        Some(&self.log_lines).filter(|throttle| throttle.is_limited())
    }

    /// How fast bytes of messages may arrive; none where that is not limited.
    pub fn bytes(&self) -> Option<&Throttle> {
        Some(&self.bytes).filter(|throttle| throttle.is_limited())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_become_what_counts() {
        let name = || "acme".parse::<TenantName>().unwrap();
        let free = Tenant::new(name(), Quotas::default());
        assert!(free.messages().is_none() && free.bytes().is_none());
        assert!(free.connections().take(1_000_000).is_some() && free.topics().take(1_000_000).is_some());
        let quotas = Quotas {
            connections: Some(2),
            topics: Some(1),
            messages: Some(Rate::per_second(1)),
            bytes_per_second: Some(1),
            ..Quotas::default()
        };
        let bound = Tenant::new(name(), quotas.clone());
        assert!(bound.connections().take(3).is_none() && bound.topics().take(2).is_none());
        assert!(bound.messages().is_some() && bound.bytes().is_some());
        let two = bound.connections().take(2).unwrap();
        bound.set_quotas(Quotas { connections: Some(1), cpu: Some(CPU_WINDOW), ..Quotas::default() });
        assert!(bound.messages().is_none() && bound.bytes().is_none() && bound.cpu().is_some());
        assert_eq!((bound.connections().used(), bound.quotas().connections), (2, Some(1)));
        drop(two);
        assert!(bound.connections().take(1).is_some() && bound.connections().take(2).is_none());
        bound.set_quotas(quotas.clone());
        assert_eq!((bound.to_string().as_str(), bound.name(), bound.quotas()), ("acme", &name(), quotas.clone()));
    }
}
