//! What Socklet is to reach, and whether it does.

use crate::{
    plan::{HANDSHAKES, echo_name, fanout_name},
    report::Report,
    stats::Interval,
};

/// The two ways to share an instance that targets speak of.
pub(crate) const SHARED: &str = "socklet-shared";
pub(crate) const CONNECTION: &str = "socklet-connection";

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
        !matches!(self.what, What::Memory)
    }

    fn find(&self, report: &Report) -> Option<Result<Interval, String>> {
        match self.what {
            What::Echo(bytes, connections, depth) => self.costs(report, &echo_name((bytes, connections, depth))),
            What::Fanout(receivers, burst) => self.costs(report, &fanout_name(receivers, burst)),
            What::Handshake => self.costs(report, HANDSHAKES),
            What::Memory => {
                let found = report.memory.iter().find(|memory| memory.server == self.server)?;
                let exactly = |bytes| Interval { median: bytes, low: bytes, high: bytes };
                Some(found.taken.as_ref().map(|taken| exactly(taken.bytes)).map_err(String::clone))
            }
            What::Neighbor => {
                let instance = self.server.trim_start_matches("socklet-");
                let found = report.neighbor.iter().find(|neighbor| neighbor.instance == instance)?;
                Some(found.quiet.as_ref().map(|quiet| quiet.ratio).map_err(String::clone))
            }
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
