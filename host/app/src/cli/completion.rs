//! `socklet completion` and `socklet man`: made from the list of commands.

use super::{Arguments, exit::Failure, out};
use anyhow::{Context, anyhow};
use clap::CommandFactory;
use clap_complete::Shell;
use std::{fs, path::Path};

/// The name of the program.
const NAME: &str = "socklet";

/// Prints the completion of a shell.
pub(super) fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    let script = String::from_utf8(script).map_err(|_| anyhow!("the completion is not text"))?;
    out::print(script.trim_end());
    Ok(())
}

/// Writes a man page for each command into a folder.
pub(super) fn man(folder: &Path) -> Result<(), Failure> {
    let failed = || format!("failed to write man pages to {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(failed)?;
    Ok(())
}
