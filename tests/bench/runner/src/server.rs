//! Servers that are measured: how each is started, and where it listens.

use crate::{
    config::{self, Wanted},
    load::Kind,
    process::Process,
};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The server's core.
pub(crate) const CORE: usize = 0;
/// The longest that a server may take to listen; the first time, plugins are compiled.
const PATIENCE: Duration = Duration::from_secs(60);
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
    /// Its folder lives as long as it does.
    _folder: tempfile::TempDir,
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
        let folder = tempfile::tempdir()?;
        let started = match &self.how {
            How::Socklet { binary, wanted } => self.start_socklet(binary, *wanted, kind, folder.path()),
            How::Native(name) => self.start_native(name, kind, folder.path()),
        };
        let (process, address) = started.with_context(|| format!("failed to start {}", self.name))?;
        Ok(Server { address, process, _folder: folder })
    }

    fn start_socklet(
        &self,
        binary: &Path,
        wanted: Wanted,
        kind: Kind,
        folder: &Path,
    ) -> anyhow::Result<(Process, SocketAddr)> {
        ensure!(binary.is_file(), "{} is not there: `cargo build --release --locked -p socklet`", binary.display());
        fs::write(folder.join("socklet.toml"), config::text(wanted, kind)?)?;
        let binary = binary.canonicalize()?;
        let mut process = Process::start(&self.name, CORE, &binary, &["serve", "socklet.toml"], folder)?;
        let address = loop {
            let line = process.line(PATIENCE)?;
            if let Some((_, address)) = line.trim().strip_prefix("listener ").and_then(|line| line.split_once(": ")) {
                break address.parse().with_context(|| line.clone())?;
            }
        };
        Ok((process, address))
    }

    fn start_native(&self, name: &str, kind: Kind, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
        let role = if kind == Kind::Fanout { "fanout" } else { "echo" };
        let mut process = if name == "ws" {
            let script = config::root().join("tests/bench/ws.mjs");
            Process::start(name, CORE, Path::new("node"), &[script.as_os_str(), role.as_ref()], folder)?
        } else {
            let binary = std::env::current_exe()?.with_file_name(NATIVES);
            ensure!(binary.is_file(), "{} is not there: `cargo build` builds it beside `bench`", binary.display());
            Process::start(name, CORE, &binary, &[name, role], folder)?
        };
        let line = process.line(PATIENCE)?;
        let address = line.strip_prefix("listening on ").with_context(|| line.clone())?;
        Ok((process, address.parse()?))
    }
}

// === impl Server ===

impl Server {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}
