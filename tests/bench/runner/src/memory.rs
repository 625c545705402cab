//! Memory of idle connections: the slope between few and many, after each has had an answer.

use crate::{
    client::Client,
    config::AWAKE,
    load::Kind,
    rounds::{EVERY, Work},
    server::{Server, Subject},
};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{net::Ipv4Addr, time::Duration};

const FEW: usize = 5_000;
/// A process may have 20,000 descriptors on many machines, and the server needs some for itself.
const MANY: usize = 18_000;
/// The server whose instances have to sleep before anything is measured.
pub(crate) const ASLEEP: &str = "socklet-asleep";
/// Each load has descriptors and an address of its own.
const LOADS: usize = 2;

/// What a connection takes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Memory {
    pub(crate) server: String,
    /// Or why there is no figure.
    pub(crate) taken: Result<Taken, String>,
}

/// Of each connection between few and many.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Taken {
    pub(crate) bytes: f64,
    pub(crate) mappings: f64,
    /// Bytes of the process with many.
    pub(crate) rss: u64,
}

/// Measures one server.
pub(crate) fn measure(subject: &Subject) -> anyhow::Result<Taken> {
    let mut server = subject.start(Kind::Echo)?;
    let work = Work { kind: Kind::Echo, bytes: 64, connections: MANY, depth: 1, every: EVERY };
    let load = |number| Client::start(&work.options(&server, Ipv4Addr::new(127, 0, 0, 2 + number)));
    let mut loads = (0..LOADS as u8).map(load).collect::<anyhow::Result<Vec<_>>>()?;
    let few = fill(subject, &server, &mut loads, FEW);
    let (few_rss, few_mappings) = few.with_context(|| server.state(&subject.name))?;
    let many = fill(subject, &server, &mut loads, MANY);
    let (many_rss, many_mappings) = many.with_context(|| server.state(&subject.name))?;
    let slope = |few: u64, many: u64| (many as f64 - few as f64) / (MANY - FEW) as f64;
    Ok(Taken { bytes: slope(few_rss, many_rss), mappings: slope(few_mappings, many_mappings), rss: many_rss })
}

fn fill(subject: &Subject, server: &Server, loads: &mut [Client], connections: usize) -> anyhow::Result<(u64, u64)> {
    if subject.name == ASLEEP {
        crowd(server, loads, if connections == FEW { 0 } else { FEW }, connections)?;
    }
    for load in loads {
        load.open(connections / LOADS)?;
        // One message for each.
        load.turn(Duration::ZERO)?;
    }
    if subject.name == ASLEEP {
        server.admin().until_asleep(connections)?;
    }
    Ok((server.settled_rss()?, server.mappings()?))
}

/// Opens connections in groups that there is room for while they are awake, and waits for each group to sleep.
fn crowd(server: &Server, loads: &mut [Client], mut open: usize, connections: usize) -> anyhow::Result<()> {
    while open < connections {
        open = connections.min(open + AWAKE as usize / 2);
        for load in &mut *loads {
            load.open(open / LOADS)?;
        }
        server.admin().until_asleep(open)?;
    }
    Ok(())
}
