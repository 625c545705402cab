//! What Socklet is to reach, and whether it does.

use crate::{
    memory::ASLEEP,
    plan::{HANDSHAKES, echo_name, fanout_name},
    report::Report,
    stats::Interval,
};

/// The two ways to share an instance that targets speak of.
pub(crate) const SHARED: &str = "socklet-shared";
pub(crate) const CONNECTION: &str = "socklet-connection";
/// The host without a server.
const WITHOUT_SOCKETS: &str = "no sockets";

/// A target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) workload: &'static str,
    pub(crate) against: &'static str,
    pub(crate) server: &'static str,
    pub(crate) most: f64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Of the costs in an echo: bytes, connections, depth.
    Echo(usize, usize, usize),
    Fanout(usize, usize),
    Handshake,
    /// Bytes, not a quotient.
    Memory,
    Neighbor,
    /// Of instances that sleep, without sockets: bytes, and microseconds of CPU time.
    Asleep,
    WakeUp,
    /// Milliseconds.
    Swap,
    SwapAdded,
}

/// How it came out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Found(Interval),
    /// Why there is no figure.
    Failed(String),
    NotMeasured,
}

const fn target(workload: &'static str, against: &'static str, server: &'static str, most: f64, what: What) -> Target {
    Target { workload, against, server, most, what }
}

const KIB_1000: What = What::Echo(1 << 10, 1_000, 1);
const DEPTH_1: What = What::Echo(64, 100, 1);
const DEPTH_16: What = What::Echo(64, 100, 16);
const KIB_64: What = What::Echo(64 << 10, 100, 1);

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    target("echo 1 KiB, 1,000 connections", "tungstenite", SHARED, 0.45, KIB_1000),
    target("echo 1 KiB, 1,000 connections", "tungstenite", CONNECTION, 0.65, KIB_1000),
    target("echo 1 KiB, 1,000 connections", "fastwebsockets", SHARED, 0.90, KIB_1000),
    target("echo 1 KiB, 1,000 connections", "fastwebsockets", CONNECTION, 1.3, KIB_1000),
    target("echo 64 B, 100 connections, depth 1", "fastwebsockets", SHARED, 0.95, DEPTH_1),
    target("echo 64 B, 100 connections, depth 1", "fastwebsockets", CONNECTION, 1.0, DEPTH_1),
    target("echo 64 B, 100 connections, 16 deep", "tungstenite", SHARED, 0.14, DEPTH_16),
    target("echo 64 B, 100 connections, 16 deep", "tungstenite", CONNECTION, 0.18, DEPTH_16),
    target("echo 64 KiB, 100 connections", "fastwebsockets", SHARED, 1.2, KIB_64),
    target("echo 64 KiB, 100 connections", "fastwebsockets", CONNECTION, 1.5, KIB_64),
    target("fan-out 64 B to 1,000, bursts of 8", "tungstenite", SHARED, 0.13, What::Fanout(1_000, 8)),
    target("handshake, fresh authenticator", SHARED, "socklet-auth", 1.12, What::Handshake),
    target("idle connection, bytes of RSS", "", SHARED, 1_300.0, What::Memory),
    target("idle connection, bytes of RSS", "", CONNECTION, 28_000.0, What::Memory),
    target("echo 1 KiB, 1,000 connections", SHARED, "socklet-event", 1.8, KIB_1000),
    target("idle connection, bytes of RSS", "", ASLEEP, 2_048.0, What::Memory),
    target("200,000 asleep, bytes of each", "", WITHOUT_SOCKETS, 1_024.0, What::Asleep),
    target("what a wake-up adds, µs of CPU", "awake", WITHOUT_SOCKETS, 20.0, What::WakeUp),
    target("10,000 swapped while they echo, ms", "", CONNECTION, 5_000.0, What::Swap),
    target("10,000 swapped, added p99, ms", "no swap", CONNECTION, 100.0, What::SwapAdded),
    target("quiet beside eight endless loops, p99", "without them", SHARED, 1.2, What::Neighbor),
    target("quiet beside eight endless loops, p99", "without them", CONNECTION, 1.2, What::Neighbor),
];

// === impl Target ===

impl Target {
    /// What a run says of it.
    pub(crate) fn outcome(&self, report: &Report) -> Outcome {
        match self.find(report) {
            None => Outcome::NotMeasured,
            Some(Ok(interval)) => Outcome::Found(interval),
            Some(Err(why)) => Outcome::Failed(why),
        }
    }

    pub(crate) fn is_quotient(&self) -> bool {
        !matches!(self.what, What::Memory | What::Asleep | What::WakeUp | What::Swap | What::SwapAdded)
    }

    fn find(&self, report: &Report) -> Option<Result<Interval, String>> {
        let exactly = |value| Interval { median: value, low: value, high: value };
        match self.what {
            What::Echo(bytes, connections, depth) => self.costs(report, &echo_name((bytes, connections, depth))),
            What::Fanout(receivers, burst) => self.costs(report, &fanout_name(receivers, burst)),
            What::Handshake => self.costs(report, HANDSHAKES),
            What::Memory => {
                let found = report.memory.iter().find(|memory| memory.server == self.server)?;
                Some(found.taken.as_ref().map(|taken| exactly(taken.bytes)).map_err(String::clone))
            }
            What::Neighbor => {
                let instance = self.server.trim_start_matches("socklet-");
                let found = report.neighbor.iter().find(|neighbor| neighbor.instance == instance)?;
                Some(found.quiet.as_ref().map(|quiet| quiet.ratio).map_err(String::clone))
            }
            // Beside what it has saved.
            What::Asleep => Some(report.asleep.clone()?.map(|found| exactly(found.bytes - found.saved))),
            What::WakeUp => Some(report.asleep.clone()?.map(|found| found.added.scaled(1e-3))),
            What::Swap => Some(report.swapped.clone()?.map(|found| found.took)),
            What::SwapAdded => Some(report.swapped.clone()?.map(|found| found.added)),
        }
    }

    fn costs(&self, report: &Report, name: &str) -> Option<Result<Interval, String>> {
        let cell = report.cell(name)?;
        if let Err(why) = &cell.servers {
            return Some(Err(why.clone()));
        }
        let servers = [cell.server(self.server)?, cell.server(self.against)?];
        let ratio = cell.ratio(self.server, self.against)?;
        Some(match servers.iter().find(|server| cell.idle(server)) {
            Some(idle) => Err(format!("{:.2}, but {} was not busy", ratio.median, idle.name)),
            None => Ok(ratio),
        })
    }
}

/// What a handshake with a fresh instance takes more than one without, in nanoseconds.
pub(crate) fn fresh_instance(report: &Report) -> Option<Interval> {
    let cell = report.cell(HANDSHAKES)?;
    let (with, without) = (cell.server("socklet-auth")?.costs(), cell.server(SHARED)?.costs());
    let more: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    Some(Interval::of(&more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, Plan};

    #[test]
    fn both_modes_measure_what_there_are_targets_for() {
        for mode in [Mode::Quick, Mode::Full] {
            let plan = Plan::new(mode);
            for target in TARGETS {
                let name = match target.what {
                    What::Echo(bytes, connections, depth) => echo_name((bytes, connections, depth)),
                    What::Fanout(receivers, burst) => fanout_name(receivers, burst),
                    What::Handshake => HANDSHAKES.to_owned(),
                    What::Asleep | What::WakeUp => {
                        assert!(plan.asleep, "{target:?}");
                        continue;
                    }
                    What::Swap | What::SwapAdded => {
                        assert!(plan.swap.is_some(), "{target:?}");
                        continue;
                    }
                    What::Memory => {
                        assert!(plan.memory.contains(&target.server), "{target:?}");
                        continue;
                    }
                    What::Neighbor => {
                        assert!(plan.quiet.iter().any(|instance| target.server.ends_with(instance)), "{target:?}");
                        continue;
                    }
                };
                let cell = plan.cells.iter().find(|cell| cell.name == name).unwrap();
                assert!(
                    [target.server, target.against].iter().all(|server| cell.servers.contains(server)),
                    "{target:?}"
                );
            }
        }
    }
}
