//! A load that the runner has started: what to tell it, what it answers.

use crate::{
    load::{Kind, Options},
    process::Process,
    wire::{Answer, Measured},
};
use anyhow::{Context, bail};
use std::{path::Path, time::Duration};

/// The load's core.
pub(crate) const CORE: usize = 1;
/// What an answer may take beside the turn itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A load with its connections.
#[derive(Debug)]
pub(crate) struct Client(Process);

// === impl Client ===

impl Client {
    /// Starts a load, without any connection yet.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let kind = match options.kind {
            Kind::Echo => "echo",
            Kind::Fanout => "fanout",
            Kind::Paced => "paced",
            Kind::Handshake => "handshake",
        };
        let pairs = [
            ("--to", options.to.to_string()),
            ("--from", options.from.to_string()),
            ("--path", options.path.clone()),
            ("--server", options.server.to_string()),
            ("--kind", kind.to_owned()),
            ("--bytes", options.bytes.to_string()),
            ("--depth", options.depth.to_string()),
            ("--every", options.every.to_string()),
            ("--clients", options.clients.to_string()),
        ];
        let mut arguments = vec!["load".to_owned()];
        arguments.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        Ok(Self(Process::start("the load", CORE, &std::env::current_exe()?, &arguments, Path::new("."))?))
    }

    /// Opens connections until there are so many.
    pub(crate) fn open(&mut self, count: usize) -> anyhow::Result<()> {
        match self.ask(&format!("open {count}"), PATIENCE)? {
            Answer::Open => Ok(()),
            other => bail!("unexpected: {other:?}"),
        }
    }

    /// Takes a turn.
    pub(crate) fn turn(&mut self, time: Duration) -> anyhow::Result<Measured> {
        match self.ask(&format!("turn {}", time.as_millis()), time + PATIENCE)? {
            Answer::Turn(measured) => Ok(measured),
            other => bail!("unexpected: {other:?}"),
        }
    }

    fn ask(&mut self, command: &str, patience: Duration) -> anyhow::Result<Answer> {
        self.0.tell(command)?;
        let line = self.0.line(patience)?;
        match serde_json::from_str(&line).with_context(|| format!("no answer: {line}"))? {
            Answer::Failed(error) => bail!(error),
            answer => Ok(answer),
        }
    }
}
