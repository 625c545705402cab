//! Opens connections and ends them at once, several at a time.

use super::{engine::Turn, histogram::Histogram, open::Target};
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

const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that open one connection after the other.
#[derive(Debug)]
pub(crate) struct Handshakes {
    target: Target,
    poll: OwnedFd,
    clients: Vec<Option<Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    stream: TcpStream,
    since: Instant,
    asked: bool,
    head: Vec<u8>,
}

// === impl Handshakes ===

impl Handshakes {
    pub(crate) fn new(target: Target, clients: usize) -> anyhow::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { target, poll, clients: (0..clients).map(|_| None).collect() })
    }

    /// Goes on for a while, then waits for what is under way. A message is a handshake here.
    pub(crate) fn turn(&mut self, time: Duration) -> anyhow::Result<Turn> {
        let start = Instant::now();
        let mut turn = Turn { messages: 0, elapsed: Duration::ZERO, latencies: Histogram::new() };
        for index in 0..self.clients.len() {
            self.begin(index)?;
        }
        let mut open = self.clients.len();
        while open > 0 {
            let ready = super::ready(&self.poll, PATIENCE)?;
            ensure!(!ready.is_empty(), "{open} handshakes were not answered for {PATIENCE:?}");
            for index in ready {
                let Some(since) = self.go_on(index)? else { continue };
                turn.messages += 1;
                turn.latencies.add(since.elapsed().as_nanos() as u64);
                if start.elapsed() < time {
                    self.begin(index)?;
                } else {
                    open -= 1;
                }
            }
        }
        turn.elapsed = start.elapsed();
        Ok(turn)
    }

    fn begin(&mut self, index: usize) -> anyhow::Result<()> {
        let stream = self.target.begin().context("failed to connect")?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.poll, &stream, epoll::EventData::new_u64(index as u64), flags)?;
        self.clients[index] = Some(Attempt { stream, since: Instant::now(), asked: false, head: Vec::new() });
        Ok(())
    }

    /// Goes on with an attempt; when it is done, it says when that began.
    fn go_on(&mut self, index: usize) -> anyhow::Result<Option<Instant>> {
        let Some(attempt) = &mut self.clients[index] else { return Ok(None) };
        if !attempt.asked {
            let request = self.target.request().as_bytes();
            match send(&attempt.stream, request, SendFlags::NOSIGNAL) {
                Ok(written) => ensure!(written == request.len(), "a new socket does not take a request"),
                Err(Errno::AGAIN | Errno::NOTCONN) => return Ok(None),
                Err(error) => return Err(error).context("failed to write a request"),
            }
            attempt.asked = true;
        }
        let mut part = [0; 1024];
        match recv(&attempt.stream, &mut part, RecvFlags::empty()) {
            Ok((0, _)) => bail!("hung up after {:?}", String::from_utf8_lossy(&attempt.head)),
            Ok((read, _)) => attempt.head.extend(&part[..read]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error).context("failed to read an answer"),
        }
        if !attempt.head.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let head = String::from_utf8_lossy(&attempt.head);
        ensure!(
            head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "no upgrade: {head}"
        );
        let since = attempt.since;
        self.clients[index] = None;
        Ok(Some(since))
    }
}
