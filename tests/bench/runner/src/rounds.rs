//! Subjects side by side: fresh servers, then turns in the order A B C … C B A, so that what a noisy machine does meets all alike.

use crate::{
    client::Client,
    load::{Kind, Options},
    process::check_stop,
    server::{Server, Subject},
    wire::Measured,
};
use anyhow::Context;
use std::{net::Ipv4Addr, time::Duration};

const WARM_UP: Duration = Duration::from_millis(300);

/// The load of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) kind: Kind,
    pub(crate) bytes: usize,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
    /// Milliseconds between two messages of a connection, where they are sent at fixed times.
    pub(crate) every: u64,
}

/// What that is unless somebody says otherwise.
pub(crate) const EVERY: u64 = 100;

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
}

/// A server with its load.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Server,
}

// === impl Pair ===

impl Pair {
    /// Starts both and opens the connections.
    ///
    /// `number` tells pairs apart: each has an address of its own, with ports enough for all its connections.
    pub(crate) fn start(subject: &Subject, work: &Work, number: u8) -> anyhow::Result<Self> {
        let server = subject.start(work.kind)?;
        let mut client = Client::start(&work.options(&server, Ipv4Addr::new(127, 0, 0, 2 + number)))?;
        let opened = client.open(work.connections);
        let mut pair = Self { client, server };
        opened.with_context(|| pair.server.state(&subject.name))?;
        Ok(pair)
    }

    fn turn(&mut self, subject: &Subject, time: Duration) -> anyhow::Result<Measured> {
        self.client.turn(time).with_context(|| self.server.state(&subject.name))
    }
}

// === impl Work ===

impl Work {
    /// The options of a load for a server.
    pub(crate) fn options(&self, server: &Server, from: Ipv4Addr) -> Options {
        Options {
            to: server.address,
            from,
            path: "/".to_owned(),
            server: server.id(),
            kind: self.kind,
            bytes: self.bytes,
            depth: self.depth,
            every: self.every,
            clients: self.connections.min(256),
        }
    }
}

/// Measures subjects: for each, one entry a round, and the pair, still open. `progress` hears of every turn.
pub(crate) fn run(
    subjects: &[Subject],
    work: &Work,
    schedule: Schedule,
    mut progress: impl FnMut(usize, &Subject),
) -> anyhow::Result<Vec<(Vec<Measured>, Pair)>> {
    let start = |(number, subject)| Pair::start(subject, work, number);
    let mut pairs = (0..).zip(subjects).map(start).collect::<anyhow::Result<Vec<_>>>()?;
    for (pair, subject) in pairs.iter_mut().zip(subjects) {
        pair.turn(subject, WARM_UP)?;
    }
    let mut measured = vec![Vec::new(); subjects.len()];
    for round in 0..schedule.rounds {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            check_stop()?;
            progress(round, &subjects[index]);
            measured[index].push(pairs[index].turn(&subjects[index], schedule.turn)?);
        }
    }
    Ok(measured.into_iter().zip(pairs).collect())
}
