//! A quiet tenant beside endless loops: the same load at fixed times on two servers, one with loops and one without.

use crate::{
    client::Client,
    config,
    load::{Kind, frames, open::Target},
    process,
    rounds::{EVERY, Schedule, Work},
    server::Server,
    stats::{Interval, median, ratios},
};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    time::Duration,
};

const LOOPS: usize = 8;
const CONNECTIONS: usize = 200;
/// Where the loops come from.
const LOOPS_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// After a server was frozen, and for the loops to begin.
const PAUSE: Duration = Duration::from_millis(200);
const WARM_UP: Duration = Duration::from_millis(300);

/// What the loops cost the quiet tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Neighbor {
    pub(crate) instance: String,
    /// Or why there is no figure.
    pub(crate) quiet: Result<Quiet, String>,
}

/// The quiet tenant's 99th percentile, in microseconds, and the quotient in the same round.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Quiet {
    pub(crate) alone: f64,
    pub(crate) beside: f64,
    pub(crate) ratio: Interval,
}

struct Side {
    client: Client,
    server: Server,
    loops: Vec<TcpStream>,
}

// === impl Side ===

impl Side {
    fn start(socklet: &Path, instance: &str, loops: usize) -> anyhow::Result<Self> {
        let server = Server::socklet("socklet", socklet, &config::neighbor(instance)?)?;
        let work = Work { kind: Kind::Paced, bytes: 64, connections: CONNECTIONS, depth: 1, every: EVERY };
        let mut client = Client::start(&work.options(&server, Ipv4Addr::new(127, 0, 0, 2)))?;
        client.open(CONNECTIONS)?;
        client.turn(WARM_UP)?;
        let target = Target::new(server.address, LOOPS_FROM, "/loops");
        let mut side = Self { client, server, loops: Vec::new() };
        for _ in 0..loops {
            let mut stream = target.open().context("a loop")?;
            stream.write_all(&frames::request("spin"))?;
            side.loops.push(stream);
        }
        side.server.freeze()?;
        Ok(side)
    }

    /// The 99th percentile of one turn.
    fn turn(&mut self, time: Duration) -> anyhow::Result<f64> {
        self.server.thaw()?;
        process::pause(PAUSE)?;
        self.client.turn(WARM_UP)?;
        let measured = self.client.turn(time)?;
        for mut stream in &self.loops {
            match stream.read(&mut [0; 128]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => bail!("a loop has ended: {other:?}"),
            }
        }
        self.server.freeze()?;
        Ok(measured.p99_ns as f64 / 1e3)
    }
}

/// Measures one way to share instances.
pub(crate) fn measure(
    socklet: &Path,
    instance: &str,
    schedule: Schedule,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Quiet> {
    let (mut alone, mut beside) = (Side::start(socklet, instance, 0)?, Side::start(socklet, instance, LOOPS)?);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..schedule.rounds {
        progress(round);
        if round % 2 == 0 {
            without.push(alone.turn(schedule.turn)?);
            with.push(beside.turn(schedule.turn)?);
        } else {
            with.push(beside.turn(schedule.turn)?);
            without.push(alone.turn(schedule.turn)?);
        }
    }
    Ok(Quiet { alone: median(&without), beside: median(&with), ratio: Interval::of(&ratios(&with, &without)) })
}
