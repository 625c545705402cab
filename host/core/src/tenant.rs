//! Tenants: who owns routes, and what all routes of one may have together.

use crate::{Rate, Tally, TenantName, Throttle};
use std::{fmt, time::Duration};

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
}

/// A tenant: its name, its quotas, and what it has of them. One for each tenant of a node; its routes share it.
#[derive(Debug)]
pub struct Tenant {
    name: TenantName,
    quotas: Quotas,
    connections: Tally,
    topics: Tally,
    openings: Option<Throttle>,
    messages: Option<Throttle>,
    bytes: Option<Throttle>,
    memory: Tally,
    timers: Tally,
    saved_state: Tally,
    cpu: Option<Throttle>,
    log_lines: Option<Throttle>,
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
            openings: quotas.connection_rate.map(Throttle::new),
            messages: quotas.messages.map(Throttle::new),
            bytes: quotas.bytes_per_second.map(Throttle::per_second),
            memory: Tally::new(quotas.memory),
            timers: Tally::new(quotas.timers),
            saved_state: Tally::new(quotas.saved_state),
            cpu: quotas.cpu.map(|cpu| Throttle::time(cpu, CPU_WINDOW)),
            log_lines: quotas.log_lines.map(Throttle::new),
            quotas,
        }
    }

    /// Its name.
    pub fn name(&self) -> &TenantName {
        &self.name
    }

    /// What it may have.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Its connections.
    pub fn connections(&self) -> &Tally {
        &self.connections
    }

    /// How fast connections may be opened; none where that is not limited.
    pub fn openings(&self) -> Option<&Throttle> {
        self.openings.as_ref()
    }

    /// Its topics that have a subscriber.
    pub fn topics(&self) -> &Tally {
        &self.topics
    }

    /// How fast messages may arrive; none where that is not limited.
    pub fn messages(&self) -> Option<&Throttle> {
        self.messages.as_ref()
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
        self.cpu.as_ref()
    }

    /// How fast its plugins may write to the log; none where that is not limited.
    pub fn log_lines(&self) -> Option<&Throttle> {
        self.log_lines.as_ref()
    }

    /// How fast bytes of messages may arrive; none where that is not limited.
    pub fn bytes(&self) -> Option<&Throttle> {
        self.bytes.as_ref()
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
        assert_eq!((bound.to_string().as_str(), bound.name(), bound.quotas()), ("acme", &name(), &quotas));
    }
}
