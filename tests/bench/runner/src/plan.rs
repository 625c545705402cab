//! What a run measures: cells, servers, how long.

use crate::{
    load::Kind,
    memory::ASLEEP,
    rounds::{EVERY, Schedule, Work},
};
use clap::ValueEnum;
use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The cells that there are targets for, in some five minutes: to see that nothing broke.
    Quick,
    /// All of it, in about twenty minutes.
    Full,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<Cell>,
    /// Servers whose memory is measured.
    pub(crate) memory: Vec<&'static str>,
    /// Ways to share an instance, for the quiet tenant beside loops, and how long that is measured.
    pub(crate) quiet: Vec<&'static str>,
    pub(crate) beside: Schedule,
    /// Instances that sleep without sockets, and connections that are swapped.
    pub(crate) asleep: bool,
    pub(crate) swap: Option<Schedule>,
}

/// One load, and who bears it.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) work: Work,
    pub(crate) schedule: Schedule,
    pub(crate) servers: Vec<&'static str>,
    /// Whether the first server takes part twice, to see what noise does.
    pub(crate) again: bool,
    /// Whether system calls are counted afterwards.
    pub(crate) calls: bool,
}

const SOCKLETS: [&str; 2] = ["socklet-shared", "socklet-connection"];
const ECHOES: [&str; 7] =
    [SOCKLETS[0], SOCKLETS[1], "tungstenite", "tungstenite-tuned", "fastwebsockets", "tokio-websockets", "ws"];
/// A fresh instance for each event: in the first echo alone.
const EVENT: &str = "socklet-event";
const QUIET: [&str; 2] = ["shared", "connection"];
/// Of echoes, those that there are targets for or against.
const COMPARED: [&str; 4] = [SOCKLETS[0], SOCKLETS[1], "tungstenite", "fastwebsockets"];
/// Messages under way of which there are so many bytes take seconds to come back.
const HEAVY: usize = 256 << 20;

// === impl Plan ===

impl Plan {
    pub(crate) fn new(mode: Mode) -> Self {
        match mode {
            Mode::Quick => Self::quick(),
            Mode::Full => Self::full(),
        }
    }

    /// Leaves out what has not this in its name.
    pub(crate) fn retain(&mut self, only: &str) {
        self.cells.retain(|cell| cell.name.contains(only));
        self.memory.retain(|server| format!("memory {server}").contains(only));
        self.quiet.retain(|instance| format!("quiet {instance}").contains(only));
        self.asleep &= "asleep".contains(only);
        self.swap = self.swap.filter(|_| "swap".contains(only));
    }

    fn quick() -> Self {
        let short = schedule(3, 400);
        let mut cells: Vec<Cell> = aims().map(|aim| Cell { schedule: short, ..echo(aim, &COMPARED) }).collect();
        cells[0].again = true;
        cells[0].servers.push(EVENT);
        cells.push(Cell { schedule: short, ..fanout(1_000, 8, &["socklet-shared", "tungstenite"]) });
        cells.push(Cell { schedule: short, ..handshakes(&["socklet-shared", "socklet-auth"]) });
        let memory = [SOCKLETS[0], SOCKLETS[1], ASLEEP].to_vec();
        let (beside, swap) = (schedule(4, 1_000), Some(schedule(3, 8_000)));
        Self { cells, memory, quiet: QUIET.to_vec(), beside, asleep: true, swap }
    }

    fn full() -> Self {
        let mut cells: Vec<Cell> = aims().map(|aim| echo(aim, &ECHOES)).collect();
        cells[0].again = true;
        cells[0].servers.push(EVENT);
        cells[2].again = true;
        for bytes in [64, 1 << 10, 64 << 10] {
            for connections in [1, 100, 1_000] {
                for depth in [1, 16] {
                    let load = (bytes, connections, depth);
                    if aims().all(|aim| aim != load) {
                        let rounds = if bytes * connections * depth > HEAVY { 3 } else { 9 };
                        let schedule = schedule(rounds, 200);
                        cells.push(Cell { schedule, calls: false, ..echo(load, &ECHOES) });
                    }
                }
            }
        }
        cells.push(fanout(1_000, 8, &["socklet-shared", "tungstenite", "ws"]));
        let short = schedule(9, 500);
        cells.push(Cell { schedule: short, ..fanout(1_000, 1, &["socklet-shared", "tungstenite", "ws"]) });
        cells.push(Cell { schedule: short, ..fanout(10_000, 8, &["socklet-shared", "tungstenite"]) });
        cells.push(Cell { schedule: short, ..fanout(10_000, 1, &["socklet-shared", "tungstenite"]) });
        let all = ["socklet-shared", "socklet-auth", "socklet-connection", "tungstenite", "fastwebsockets", "ws"];
        cells.push(handshakes(&all));
        cells.push(paced(&COMPARED));
        let memory = [ASLEEP].into_iter().chain(ECHOES).collect();
        let (beside, swap) = (schedule(9, 1_500), Some(schedule(9, 8_000)));
        Self { cells, memory, quiet: QUIET.to_vec(), beside, asleep: true, swap }
    }
}

/// The echoes that there are targets for: bytes, connections, depth.
fn aims() -> impl Iterator<Item = (usize, usize, usize)> {
    [(1 << 10, 1_000, 1), (64, 100, 1), (64, 100, 16), (64 << 10, 100, 1)].into_iter()
}

fn schedule(rounds: usize, milliseconds: u64) -> Schedule {
    Schedule { rounds, turn: Duration::from_millis(milliseconds) }
}

fn cell(
    name: String,
    kind: Kind,
    (bytes, connections, depth): (usize, usize, usize),
    servers: &[&'static str],
) -> Cell {
    let work = Work { kind, bytes, connections, depth, every: EVERY };
    Cell { name, work, schedule: schedule(9, 1_000), servers: servers.to_vec(), again: false, calls: false }
}

fn echo(load: (usize, usize, usize), servers: &[&'static str]) -> Cell {
    Cell { calls: true, ..cell(echo_name(load), Kind::Echo, load, servers) }
}

/// What the cell of an echo is called.
pub(crate) fn echo_name((bytes, connections, depth): (usize, usize, usize)) -> String {
    let size = if bytes < 1 << 10 { format!("{bytes} B") } else { format!("{} KiB", bytes >> 10) };
    let plural = if connections == 1 { "connection" } else { "connections" };
    format!("echo {size}, {connections} {plural}, {depth} deep")
}

fn fanout(receivers: usize, burst: usize, servers: &[&'static str]) -> Cell {
    let load = (64, receivers, burst);
    Cell { calls: true, ..cell(fanout_name(receivers, burst), Kind::Fanout, load, servers) }
}

/// What the cell of a fan-out is called.
pub(crate) fn fanout_name(receivers: usize, burst: usize) -> String {
    let how = if burst == 1 { "single".to_owned() } else { format!("bursts of {burst}") };
    format!("fan-out 64 B to {receivers}, {how}")
}

fn handshakes(servers: &[&'static str]) -> Cell {
    cell(HANDSHAKES.to_owned(), Kind::Handshake, (64, 32, 1), servers)
}

/// What the cell of handshakes is called.
pub(crate) const HANDSHAKES: &str = "handshakes, 32 at a time";

fn paced(servers: &[&'static str]) -> Cell {
    cell("64 B at fixed times, 100 connections, 1,000/s".to_owned(), Kind::Paced, (64, 100, 1), servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_full_run_has_every_echo_once() {
        let plan = Plan::full();
        let names: BTreeSet<_> = plan.cells.iter().map(|cell| &cell.name).collect();
        assert_eq!(names.len(), plan.cells.len());
        assert_eq!(names.iter().filter(|name| name.starts_with("echo ")).count(), 18);
    }

    #[test]
    fn a_quick_run_is_quick() {
        let turns = |cell: &Cell| (cell.servers.len() + usize::from(cell.again)) * cell.schedule.rounds;
        let time: Duration = Plan::quick().cells.iter().map(|cell| cell.schedule.turn * turns(cell) as u32).sum();
        assert!(time < Duration::from_secs(60), "{time:?}");
    }
}
