//! System calls of a server, counted by strace: a figure that noise cannot touch.

use crate::{
    client::Client,
    process::{self, Process},
    server::Server,
};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);
/// Where strace runs: beside the load.
const CORE: usize = 1;

/// System calls for each message.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Calls {
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// For events of sockets.
    pub(crate) waits: f64,
    /// What is left, clocks that tick included: of those there are more when strace makes everything slow.
    pub(crate) others: f64,
}

/// Takes one turn under strace.
pub(crate) fn count(server: &Server, client: &mut Client) -> anyhow::Result<Calls> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("calls");
    let (id, out) = (server.id().to_string(), file.display().to_string());
    let arguments = ["-c", "-f", "-q", "-o", &out, "-p", &id];
    let mut strace = Process::start("strace", CORE, Path::new("strace"), &arguments, folder.path())?;
    attached(server, &mut strace)?;
    let messages = client.turn(TURN)?.messages;
    strace.signal(Signal::INT)?;
    strace.end(PATIENCE)?;
    let text = fs::read_to_string(&file).context("strace did not write what it counted")?;
    let calls = parse(&text);
    let per = |count: u64| count as f64 / messages.max(1) as f64;
    Ok(Calls { reads: per(calls[0]), writes: per(calls[1]), waits: per(calls[2]), others: per(calls[3]) })
}

/// Waits until every thread is traced.
fn attached(server: &Server, strace: &mut Process) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut all = true;
        for thread in fs::read_dir(format!("/proc/{}/task", server.id()))? {
            let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
            all &= !status.lines().any(|line| line.trim_end() == "TracerPid:\t0");
        }
        if all {
            return Ok(());
        }
        ensure!(!strace.has_ended()?, strace.report("did not attach"));
        ensure!(Instant::now() < until, strace.report("did not attach in time"));
        process::pause(LOOK)?;
    }
}

/// Reads, writes, waits and others of a summary.
fn parse(summary: &str) -> [u64; 4] {
    let mut calls = [0; 4];
    for line in summary.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(count), Some(&name)) = (words.get(3).and_then(|count| count.parse::<u64>().ok()), words.last())
        else {
            continue;
        };
        let place = match name {
            "total" => continue,
            "read" | "readv" | "recvfrom" | "recvmsg" | "recvmmsg" => 0,
            "write" | "writev" | "sendto" | "sendmsg" | "sendmmsg" => 1,
            "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" | "ppoll" => 2,
            _ => 3,
        };
        calls[place] += count;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let summary = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100           sendto
 30.00    0.000300           1       200       100 recvfrom
 10.00    0.000100           2        50           epoll_wait
  0.00    0.000000           0         7         1 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000                   357       101 total
";
        assert_eq!(parse(summary), [200, 100, 50, 7]);
    }
}
