//! Connections that are swapped to a new version of their plugin while they echo at fixed times: how long it takes until the last
//! one has moved, and what that adds to the 99th percentile. The load fails when a connection is closed or an answer is missing.

use crate::{
    client::Client,
    config,
    load::Kind,
    process,
    rounds::{Schedule, Work},
    server::Server,
    stats::{Interval, median},
};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub(crate) const CONNECTIONS: usize = 10_000;
/// Milliseconds between two messages of a connection: more at a time would keep the core busy without any swap.
const EVERY: u64 = 2_000;
/// Each connection has its message in that: with it, it moves.
const WARM_UP: Duration = Duration::from_secs(4);
/// From the beginning of a turn to the swap.
const BEFORE: Duration = Duration::from_millis(200);

/// What a swap did.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Swapped {
    /// Milliseconds from the request until all are served by the new version.
    pub(crate) took: Interval,
    /// The 99th percentile of a turn without a swap, of one with, and the difference in the same round, in milliseconds.
    pub(crate) without: f64,
    pub(crate) with: f64,
    pub(crate) added: Interval,
}

/// Measures.
pub(crate) fn measure(socklet: &Path, schedule: Schedule, mut progress: impl FnMut(usize)) -> anyhow::Result<Swapped> {
    let mut server = Server::socklet("socklet", socklet, &config::swapped(CONNECTIONS)?)?;
    let work = Work { kind: Kind::Paced, bytes: 64, connections: CONNECTIONS, depth: 1, every: EVERY };
    let mut client = Client::start(&work.options(&server, Ipv4Addr::new(127, 0, 0, 2)))?;
    client.open(CONNECTIONS).with_context(|| server.state("socklet"))?;
    let component = fs::read(config::remember()?)?;
    let (mut took, mut without, mut with) = (Vec::new(), Vec::new(), Vec::new());
    // Two others than the first, which take turns. They are compiled before anything is measured.
    let components = [marked(&component, 1), marked(&component, 2)];
    for component in &components {
        server.admin().swap(component)?;
        client.turn(WARM_UP)?;
    }
    for round in 0..schedule.rounds {
        progress(round);
        without.push(p99(&mut client, schedule.turn).with_context(|| server.state("socklet"))?);
        let (admin, component) = (server.admin(), components[round % 2].clone());
        let swapping = thread::spawn(move || {
            process::pause(BEFORE)?;
            let began = Instant::now();
            admin.swap(&component)?;
            admin.until_moved(CONNECTIONS)?;
            Ok::<_, anyhow::Error>(began.elapsed())
        });
        with.push(p99(&mut client, schedule.turn).with_context(|| server.state("socklet"))?);
        let Ok(time) = swapping.join() else { bail!("the swap panicked") };
        took.push(time?.as_secs_f64() * 1e3);
    }
    let added: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    Ok(Swapped {
        took: Interval::of(&took),
        without: median(&without),
        with: median(&with),
        added: Interval::of(&added),
    })
}

fn p99(client: &mut Client, time: Duration) -> anyhow::Result<f64> {
    Ok(client.turn(time)?.p99_ns as f64 / 1e6)
}

/// A component that differs from another in nothing but its digest.
fn marked(component: &[u8], mark: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    // A custom section: its id, its size, the size of its name, the name, what is in it.
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}
