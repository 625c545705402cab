//! Servers that are measured: how each is started, and where it listens.

use crate::{
    admin::Admin,
    config::{self, Wanted},
    load::Kind,
    process::{self, Process},
};
use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The server's core.
pub(crate) const CORE: usize = 0;
/// The longest that a server may take to listen; the first time, plugins are compiled.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often memory is looked at, how often it must be the same, and when that is given up.
const LOOK: Duration = Duration::from_millis(250);
const SAME: usize = 4;
const SETTLE: Duration = Duration::from_secs(10);
/// Where the natives are built: beside this program.
const NATIVES: &str = "natives";

/// Servers that are not Socklet, by the names that they are asked for with.
pub(crate) const NATIVE: &[&str] = &["tungstenite", "tungstenite-tuned", "fastwebsockets", "tokio-websockets", "ws"];

/// A server to measure.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What tables call it.
    pub(crate) name: String,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Socklet { binary: PathBuf, wanted: Wanted },
    Native(String),
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Process,
    /// Lives as long as it does.
    folder: tempfile::TempDir,
}

// === impl Subject ===

impl Subject {
    /// A server by its name; `socklet` is the binary of those that are Socklet.
    pub(crate) fn named(name: &str, socklet: &Path) -> anyhow::Result<Self> {
        if NATIVE.contains(&name) {
            return Ok(Self { name: name.to_owned(), how: How::Native(name.to_owned()) });
        }
        let Some(wanted) = Wanted::named(name) else {
            bail!("no server {name}: there are {} and {}", NATIVE.join(", "), config::NAMES.join(", "));
        };
        Ok(Self { name: name.to_owned(), how: How::Socklet { binary: socklet.to_owned(), wanted } })
    }

    /// The same server under another name.
    pub(crate) fn called(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Starts it for a kind of load; returns when it listens.
    pub(crate) fn start(&self, kind: Kind) -> anyhow::Result<Server> {
        let started = match &self.how {
            How::Socklet { binary, wanted } => Server::socklet(&self.name, binary, &config::text(*wanted, kind)?),
            How::Native(name) => native(name, kind),
        };
        started.with_context(|| format!("failed to start {}", self.name))
    }
}

fn native(name: &str, kind: Kind) -> anyhow::Result<Server> {
    let folder = tempfile::tempdir()?;
    let role = if kind == Kind::Fanout { "fanout" } else { "echo" };
    let mut process = if name == "ws" {
        let script = config::root().join("tests/bench/ws.mjs");
        Process::start(name, CORE, Path::new("node"), &[script.as_os_str(), role.as_ref()], folder.path())?
    } else {
        let binary = std::env::current_exe()?.with_file_name(NATIVES);
        ensure!(binary.is_file(), "{} is not there: `make bench-build` builds it", binary.display());
        Process::start(name, CORE, &binary, &[name, role], folder.path())?
    };
    let line = process.line(PATIENCE)?;
    let address = line.strip_prefix("listening on ").with_context(|| line.clone())?.parse()?;
    Ok(Server { address, process, folder })
}

// === impl Server ===

impl Server {
    /// Starts a Socklet with a configuration.
    pub(crate) fn socklet(name: &str, binary: &Path, config: &str) -> anyhow::Result<Self> {
        ensure!(binary.is_file(), "{} is not there: `make bench-build` builds it", binary.display());
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("socklet.toml"), config)?;
        let binary = binary.canonicalize()?;
        let mut process = Process::start(name, CORE, &binary, &["serve", "socklet.toml"], folder.path())?;
        loop {
            let line = process.line(PATIENCE)?;
            if let Some((_, address)) = line.trim().strip_prefix("listener ").and_then(|line| line.split_once(": ")) {
                let address = address.parse().with_context(|| line.clone())?;
                return Ok(Self { address, process, folder });
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its admin API, where the configuration has one.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(self.folder.path().join("admin.sock"))
    }

    /// What became of it, for an error that the load noticed.
    pub(crate) fn state(&mut self, name: &str) -> String {
        // Its sockets are gone a little earlier than it is.
        let _ = process::pause(LOOK);
        match self.process.has_ended() {
            Ok(false) => self.process.report("still runs"),
            Ok(true) => self.process.report("has ended"),
            Err(error) => format!("{name}: {error}"),
        }
    }

    /// Stops it for a while, as if it were not there.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Bytes of memory that are its own, when they have been the same for a while.
    pub(crate) fn settled_rss(&self) -> anyhow::Result<u64> {
        let until = Instant::now() + SETTLE;
        let (mut last, mut same) = (0, 0);
        while Instant::now() < until && same < SAME {
            process::pause(LOOK)?;
            let now = self.rss()?;
            same = if now.abs_diff(last) < now / 500 { same + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    fn rss(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// Mappings of its address space; a process may have 65,530 unless the kernel is told otherwise.
    pub(crate) fn mappings(&self) -> anyhow::Result<u64> {
        Ok(fs::read_to_string(format!("/proc/{}/maps", self.id()))?.lines().count() as u64)
    }
}
