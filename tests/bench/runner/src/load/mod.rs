//! The load: a process of its own that opens connections, takes turns when it is told to, and says what it saw.
//!
//! Commands come as lines on the standard input (`open COUNT`, `turn MILLISECONDS`), answers leave as one line of JSON each. It ends
//! with its input.

mod engine;
pub(crate) mod frames;
mod handshakes;
mod histogram;
pub(crate) mod open;
#[cfg(test)]
mod tests;

use crate::{
    cpu,
    wire::{Answer, Measured},
};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use engine::{Engine, Pattern, Turn};
use handshakes::Handshakes;
use open::Target;
use rustix::{
    event::{Timespec, epoll},
    fd::AsFd,
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, Write, stdin, stdout},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

const EVENTS: usize = 512;

/// What a load does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum Kind {
    /// Every connection sends again when its messages are back.
    Echo,
    /// One connection sends again when everybody has its messages.
    Fanout,
    /// Every connection sends at fixed times.
    Paced,
    /// Connections are opened and ended at once.
    Handshake,
}

/// The options of a load.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    pub(crate) to: SocketAddr,
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) from: Ipv4Addr,
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// The server, whose CPU time is taken.
    #[arg(long)]
    pub(crate) server: u32,
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,
    #[arg(long)]
    pub(crate) bytes: usize,
    /// Messages in one write.
    #[arg(long, default_value_t = 1)]
    pub(crate) depth: usize,
    /// Milliseconds between two messages of a connection.
    #[arg(long, default_value_t = 100)]
    pub(crate) every: u64,
    /// Handshakes at a time.
    #[arg(long, default_value_t = 32)]
    pub(crate) clients: usize,
}

enum Load {
    Messages(Engine),
    Handshakes(Handshakes),
}

// === impl Load ===

impl Load {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let target = Target::new(options.to, options.from, &options.path);
        let pattern = match options.kind {
            Kind::Echo => Pattern::Echo,
            Kind::Fanout => Pattern::Fanout,
            Kind::Paced => Pattern::Paced(Duration::from_millis(options.every)),
            Kind::Handshake => return Ok(Self::Handshakes(Handshakes::new(target, options.clients)?)),
        };
        Ok(Self::Messages(Engine::new(target, pattern, options.bytes, options.depth)?))
    }

    fn turn(&mut self, time: Duration) -> anyhow::Result<Turn> {
        match self {
            Self::Messages(engine) => engine.turn(time),
            Self::Handshakes(handshakes) => handshakes.turn(time),
        }
    }

    fn obey(&mut self, command: &str, server: u32) -> anyhow::Result<Answer> {
        let (name, number) = command.split_once(' ').context("a command has a name and a number")?;
        let number: u32 = number.trim().parse()?;
        match (name, self) {
            ("open", Self::Messages(engine)) => engine.open(number as usize).map(|()| Answer::Open),
            ("open", Self::Handshakes(_)) => Ok(Answer::Open),
            ("turn", load) => measure(load, Duration::from_millis(number.into()), server).map(Answer::Turn),
            _ => bail!("unknown command: {command}"),
        }
    }
}

/// Obeys until the input ends.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut load = Load::new(options)?;
    for line in stdin().lock().lines() {
        let answer = load.obey(&line?, options.server);
        let failed = answer.is_err();
        let answer = answer.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
        if failed {
            break;
        }
    }
    Ok(())
}

fn measure(load: &mut Load, time: Duration, server: u32) -> anyhow::Result<Measured> {
    let (server_before, client_before) = (cpu::of(server)?, cpu::of(std::process::id())?);
    let turn = load.turn(time)?;
    Ok(Measured {
        messages: turn.messages,
        elapsed_ns: turn.elapsed.as_nanos() as u64,
        server_ns: cpu::of(server)?.saturating_sub(server_before),
        client_ns: cpu::of(std::process::id())?.saturating_sub(client_before),
        p50_ns: turn.latencies.at(0.5),
        p99_ns: turn.latencies.at(0.99),
    })
}

/// What can go on; none when the time is over.
fn ready(poll: impl AsFd, patience: Duration) -> anyhow::Result<Vec<usize>> {
    let time = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&time)) {
            Ok(_) => return Ok(events.iter().map(|event| event.data.u64() as usize).collect()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
