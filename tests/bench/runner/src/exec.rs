//! `bench exec`: what a measured process needs before it starts. It becomes that process.

use crate::cpu;
use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

/// The options of `bench exec`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The only core that it may run on.
    #[arg(long)]
    core: usize,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Replaces this process by the command: on its core, with all descriptors that there are, and killed when its parent dies.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    cpu::pin(options.core)?;
    let [program, arguments @ ..] = &options.command[..] else { anyhow::bail!("no command") };
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("failed to run {}", program.display()))
}
