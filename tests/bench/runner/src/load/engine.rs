//! One thread, one epoll: writes blocks of messages on many connections and looks at every byte that comes back.

use super::{
    frames::{Block, blocks, variant},
    histogram::Histogram,
    open::Target,
};
use anyhow::{Context, bail, ensure};
use rustix::{
    event::epoll,
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

/// When nothing comes for so long, a server is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(10);
const READ: usize = 512 << 10;

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pattern {
    /// Each sends a block, and the next one when it is back.
    Echo,
    /// The first one sends a block, and the next one when every connection has it.
    Fanout,
    /// Each sends a block at fixed times, whatever comes back.
    Paced(Duration),
}

/// What a turn has shown.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Messages that came back.
    pub(crate) messages: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Histogram,
}

/// Open connections.
#[derive(Debug)]
pub(crate) struct Engine {
    target: Target,
    pattern: Pattern,
    depth: usize,
    blocks: Vec<Block>,
    poll: OwnedFd,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// Blocks that may be written, that are written, and that came back; bytes of those that are under way.
    allowed: u64,
    written: u64,
    written_bytes: usize,
    read: u64,
    read_bytes: usize,
    since: Instant,
}

/// A turn that goes on.
struct Going {
    turn: Turn,
    start: Instant,
    until: Instant,
    /// Blocks that are still to come back, over all connections.
    awaited: u64,
    stopping: bool,
}

// === impl Engine ===

impl Engine {
    pub(crate) fn new(target: Target, pattern: Pattern, bytes: usize, depth: usize) -> anyhow::Result<Self> {
        ensure!(bytes >= 8 && depth >= 1, "messages of 8 bytes or more, one or more at a time");
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let blocks = blocks(bytes, depth);
        Ok(Self { target, pattern, depth, blocks, poll, connections: Vec::new(), buffer: vec![0; READ] })
    }

    /// Opens connections until there are so many.
    pub(crate) fn open(&mut self, count: usize) -> anyhow::Result<()> {
        while self.connections.len() < count {
            let index = self.connections.len();
            let stream = self.target.open().with_context(|| format!("connection {index}"))?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&self.poll, &stream, epoll::EventData::new_u64(index as u64), flags)?;
            // All have seen the same number of blocks of a fan-out: they count from zero together.
            ensure!(
                self.pattern != Pattern::Fanout || self.connections.first().is_none_or(|first| first.read == 0),
                "receivers are there from the beginning"
            );
            let since = Instant::now();
            self.connections.push(Connection {
                stream,
                allowed: 0,
                written: 0,
                written_bytes: 0,
                read: 0,
                read_bytes: 0,
                since,
            });
        }
        Ok(())
    }

    /// Goes on for a while, then waits for what is under way.
    pub(crate) fn turn(&mut self, time: Duration) -> anyhow::Result<Turn> {
        let start = Instant::now();
        let turn = Turn { messages: 0, elapsed: Duration::ZERO, latencies: Histogram::new() };
        let mut going = Going { turn, start, until: start + time, awaited: 0, stopping: false };
        match self.pattern {
            Pattern::Paced(every) => self.pace(&mut going, every)?,
            Pattern::Echo => {
                for index in 0..self.connections.len() {
                    self.allow(index, &mut going)?;
                }
            }
            Pattern::Fanout => self.publish(&mut going)?,
        }
        while going.awaited > 0 {
            self.step(&mut going, PATIENCE)?;
        }
        going.turn.elapsed = start.elapsed();
        Ok(going.turn)
    }

    /// Each connection has its own place in the interval. Waits by looking again: nothing else runs on this core.
    fn pace(&mut self, going: &mut Going, every: Duration) -> anyhow::Result<()> {
        let count = self.connections.len() as u64;
        let gap = every / count as u32;
        let start = going.start;
        let due = |number: u64| start + gap * number as u32;
        let firsts: Vec<u64> = self.connections.iter().map(|connection| connection.written).collect();
        let end = going.until;
        let mut number = 0;
        while due(number) < end {
            let index = (number % count) as usize;
            if Instant::now() < due(number) {
                self.paced_step(going, due_of(&firsts, start, gap))?;
                continue;
            }
            self.allow(index, going)?;
            number += 1;
        }
        going.stopping = true;
        while going.awaited > 0 {
            self.paced_step(going, due_of(&firsts, start, gap))?;
            ensure!(end.elapsed() < PATIENCE, "{} messages did not come back", going.awaited);
        }
        Ok(())
    }

    fn paced_step(&mut self, going: &mut Going, due: impl Fn(usize, u64) -> Instant) -> anyhow::Result<()> {
        for index in self.ready(Duration::ZERO)? {
            let before = self.connections[index].read;
            self.receive(index, going, |going, index, turn| {
                let late = Instant::now().saturating_duration_since(due(index, turn));
                going.turn.latencies.add(late.as_nanos() as u64);
            })?;
            going.awaited -= self.connections[index].read - before;
            self.write(index)?;
        }
        Ok(())
    }

    fn step(&mut self, going: &mut Going, patience: Duration) -> anyhow::Result<()> {
        let ready = self.ready(patience)?;
        if ready.is_empty() {
            let awaited = going.awaited;
            bail!(
                "nothing came for {PATIENCE:?}: {awaited} blocks are missing, the first of connection {:?}",
                self.first_missing()
            );
        }
        let now = Instant::now();
        going.stopping |= now >= going.until;
        for index in ready {
            let (before, since) = (self.connections[index].read, self.connections[index].since);
            self.receive(index, going, |_, _, _| {})?;
            let came = self.connections[index].read - before;
            going.awaited -= came;
            match self.pattern {
                Pattern::Fanout => {
                    let since = self.connections[0].since;
                    (0..came).for_each(|_| going.turn.latencies.add(since.elapsed().as_nanos() as u64));
                    if going.awaited == 0 && !going.stopping {
                        self.publish(going)?;
                    }
                }
                _ if came > 0 => {
                    going.turn.latencies.add(since.elapsed().as_nanos() as u64);
                    if !going.stopping {
                        self.allow(index, going)?;
                        continue;
                    }
                }
                _ => {}
            }
            self.write(index)?;
        }
        Ok(())
    }

    fn publish(&mut self, going: &mut Going) -> anyhow::Result<()> {
        going.awaited += self.connections.len() as u64 - 1;
        self.allow(0, going)
    }

    fn allow(&mut self, index: usize, going: &mut Going) -> anyhow::Result<()> {
        going.awaited += 1;
        let connection = &mut self.connections[index];
        connection.allowed += 1;
        connection.since = Instant::now();
        self.write(index)
    }

    /// Writes what may be written, as far as the socket takes it.
    fn write(&mut self, index: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        while connection.written < connection.allowed {
            let request = &self.blocks[place(self.pattern, index, connection.written)].request;
            match send(&connection.stream, &request[connection.written_bytes..], SendFlags::NOSIGNAL) {
                Ok(written) => connection.written_bytes += written,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).with_context(|| format!("connection {index}: failed to write")),
            }
            if connection.written_bytes == request.len() {
                connection.written += 1;
                connection.written_bytes = 0;
            }
        }
        Ok(())
    }

    /// Reads what has come and compares it; `back` hears of every block that is complete.
    fn receive(
        &mut self,
        index: usize,
        going: &mut Going,
        back: impl Fn(&mut Going, usize, u64),
    ) -> anyhow::Result<()> {
        let sender = if self.pattern == Pattern::Fanout { 0 } else { index };
        let sent = self.connections[sender].allowed;
        let connection = &mut self.connections[index];
        loop {
            let read = match recv(&connection.stream, &mut *self.buffer, RecvFlags::empty()) {
                Ok((0, _)) => bail!("connection {index}: the server hung up"),
                Ok((read, _)) => read,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).with_context(|| format!("connection {index}: failed to read")),
            };
            let mut rest = &self.buffer[..read];
            while !rest.is_empty() {
                ensure!(connection.read < sent, "connection {index}: more came than was sent: {:?}", text(rest));
                let answer = &self.blocks[place(self.pattern, index, connection.read)].answer;
                let wanted = &answer[connection.read_bytes..];
                let common = wanted.len().min(rest.len());
                if rest[..common] != wanted[..common] {
                    let shown = common.min(80);
                    bail!("connection {index}: {:?} is not {:?}", text(&rest[..shown]), text(&wanted[..shown]));
                }
                rest = &rest[common..];
                connection.read_bytes += common;
                if connection.read_bytes == answer.len() {
                    back(going, index, connection.read);
                    connection.read += 1;
                    connection.read_bytes = 0;
                    going.turn.messages += self.depth as u64;
                }
            }
            if read < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// Connections that can go on; none when the time is over.
    fn ready(&self, patience: Duration) -> anyhow::Result<Vec<usize>> {
        super::ready(&self.poll, patience)
    }

    fn first_missing(&self) -> Option<usize> {
        let most = self.connections.iter().map(|connection| connection.read).max();
        self.connections.iter().position(|one| one.read < one.allowed || Some(one.read) != most)
    }
}

/// When the block of a connection was due that is its `turn`th of all.
fn due_of(firsts: &[u64], start: Instant, gap: Duration) -> impl Fn(usize, u64) -> Instant {
    move |index, turn| start + gap * ((turn - firsts[index]) * firsts.len() as u64 + index as u64) as u32
}

/// Which block it is. Everybody receives the block of the one that publishes.
fn place(pattern: Pattern, index: usize, turn: u64) -> usize {
    variant(if pattern == Pattern::Fanout { 0 } else { index }, turn)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
