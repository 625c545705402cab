//! What a run has found, as it is kept.

use crate::{
    asleep::Asleep,
    counters::Calls,
    load::Kind,
    memory::Memory,
    neighbor::Neighbor,
    stats::{Interval, median, ratios},
    swap::Swapped,
    wire::Measured,
};
use serde::{Deserialize, Serialize};

/// Farther off than this, a pair of the same server twice shows that the run is worth nothing.
const MOST_OFF: f64 = 0.08;
/// A server below this part of its core was waiting for something that is not the load, unless the load is at its own limit.
const LEAST_SERVER: f64 = 0.7;
const LOAD_FULL: f64 = 0.9;

/// What the first server is called when it takes part a second time.
pub(crate) const AGAIN: &str = "again";

/// A run.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: String,
    /// The commit, with `-dirty` behind it where files were changed.
    pub(crate) commit: String,
    pub(crate) kernel: String,
    pub(crate) seconds: u64,
    pub(crate) cells: Vec<CellReport>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) neighbor: Vec<Neighbor>,
    /// Nothing where nobody asked; or why there is no figure.
    pub(crate) asleep: Option<Result<Asleep, String>>,
    pub(crate) swapped: Option<Result<Swapped, String>>,
}

/// A cell.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CellReport {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    /// Or why there is no figure.
    pub(crate) servers: Result<Vec<ServerReport>, String>,
}

/// A server in a cell: what each round showed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ServerReport {
    pub(crate) name: String,
    pub(crate) turns: Vec<Measured>,
    /// Or why they were not counted; nothing where nobody asked.
    pub(crate) calls: Option<Result<Calls, String>>,
}

// === impl Report ===

impl Report {
    pub(crate) fn cell(&self, name: &str) -> Option<&CellReport> {
        self.cells.iter().find(|cell| cell.name == name)
    }

    /// Why nothing in this run is worth anything, if so.
    pub(crate) fn discarded(&self) -> Option<String> {
        let off = self.cells.iter().filter_map(|cell| {
            let first = &cell.servers.as_ref().ok()?.first()?.name;
            let pair = cell.ratio(AGAIN, first)?;
            ((pair.median - 1.0).abs() > MOST_OFF).then(|| format!("{}: {:.2}", cell.name, pair.median))
        });
        let off: Vec<String> = off.collect();
        (!off.is_empty()).then(|| format!("the same server twice is not the same: {}", off.join("; ")))
    }
}

// === impl CellReport ===

impl CellReport {
    pub(crate) fn server(&self, name: &str) -> Option<&ServerReport> {
        self.servers.as_ref().ok()?.iter().find(|server| server.name == name)
    }

    /// The quotient of two servers' costs, round by round.
    pub(crate) fn ratio(&self, of: &str, to: &str) -> Option<Interval> {
        Some(Interval::of(&ratios(&self.server(of)?.costs(), &self.server(to)?.costs())))
    }

    /// Whether a server's figure is to be thrown away: it was not busy, and the load was not the reason.
    pub(crate) fn idle(&self, server: &ServerReport) -> bool {
        // One message at a time, and messages at fixed times, leave every server idle.
        let meant = self.kind == Kind::Paced || self.connections == 1;
        let busy = server.middle(Measured::server_load) >= LEAST_SERVER;
        !meant && !busy && server.middle(Measured::client_load) < LOAD_FULL
    }
}

// === impl ServerReport ===

impl ServerReport {
    /// Nanoseconds of server CPU for each message, round by round.
    pub(crate) fn costs(&self) -> Vec<f64> {
        self.turns.iter().map(Measured::cost).collect()
    }

    /// The median of a figure over all rounds.
    pub(crate) fn middle(&self, figure: fn(&Measured) -> f64) -> f64 {
        median(&self.turns.iter().map(figure).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(server_ns: u64, client_ns: u64) -> Measured {
        Measured { messages: 10, elapsed_ns: 1_000, server_ns, client_ns, p50_ns: 1, p99_ns: 2 }
    }

    fn cell(connections: usize, servers: &[(&str, u64, u64)]) -> CellReport {
        let server = |&(name, server, client): &(&str, u64, u64)| ServerReport {
            name: name.to_owned(),
            turns: vec![measured(server, client); 3],
            calls: None,
        };
        let servers = servers.iter().map(server).collect();
        CellReport { name: "echo".to_owned(), kind: Kind::Echo, connections, servers: Ok(servers) }
    }

    fn report(cell: CellReport) -> Report {
        let text = String::new;
        let (memory, neighbor, asleep, swapped) = (Vec::new(), Vec::new(), None, None);
        let (cells, mode, commit, kernel) = (vec![cell], text(), text(), text());
        Report { mode, commit, kernel, seconds: 0, cells, memory, neighbor, asleep, swapped }
    }

    #[test]
    fn a_pair_that_differs_discards_the_run() {
        assert_eq!(report(cell(100, &[("a", 900, 0), ("b", 100, 0), (AGAIN, 950, 0)])).discarded(), None);
        let off = report(cell(100, &[("a", 900, 0), (AGAIN, 1_000, 0)])).discarded();
        assert_eq!(off.as_deref(), Some("the same server twice is not the same: echo: 1.11"));
    }

    #[test]
    fn a_server_that_waits_is_discarded_unless_the_load_is_full() {
        for (connections, server, client, idle) in
            [(100, 690, 100, true), (100, 710, 100, false), (100, 690, 910, false), (1, 300, 300, false)]
        {
            let cell = cell(connections, &[("a", server, client)]);
            assert_eq!(cell.idle(cell.server("a").unwrap()), idle);
        }
    }
}
