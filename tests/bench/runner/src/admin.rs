//! The admin API of a Socklet that is measured: requests over its UNIX socket.

use crate::process::pause;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

/// The plugin of all configurations here.
const PLUGIN: &str = "/v1/plugins/behavior";
/// The longest that an answer may take: a component is compiled first.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Where it is.
#[derive(Clone, Debug)]
pub(crate) struct Admin(PathBuf);

#[derive(Debug, Deserialize)]
struct Plugin {
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    role: String,
    live: u64,
    hibernated: u64,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Has another component take over; returns when new connections get it.
    pub(crate) fn swap(&self, component: &[u8]) -> anyhow::Result<()> {
        self.ask("POST", &format!("{PLUGIN}/swap"), component).map(drop)
    }

    /// Waits until so many instances sleep, and none is awake.
    pub(crate) fn until_asleep(&self, instances: usize) -> anyhow::Result<()> {
        self.until(|plugin| {
            plugin.versions.iter().all(|version| (version.live, version.hibernated) == (0, instances as u64))
        })
    }

    /// Waits until the version that new connections get serves so many.
    pub(crate) fn until_moved(&self, instances: usize) -> anyhow::Result<()> {
        self.until(|plugin| {
            let newest = plugin.versions.iter().find(|version| ["current", "trial"].contains(&version.role.as_str()));
            newest.is_some_and(|version| version.live == instances as u64)
        })
    }

    fn until(&self, done: impl Fn(&Plugin) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let plugin: Plugin = serde_json::from_str(&self.ask("GET", PLUGIN, b"")?)?;
            if done(&plugin) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "not within {PATIENCE:?}: {plugin:?}");
            pause(LOOK)?;
        }
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut socket = UnixStream::connect(&self.0).context("no admin API")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(socket, "{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
        socket.write_all(body)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).context("no answer of the admin API")?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
            _ => bail!("{method} {path}: {answer}"),
        }
    }
}
