//! `socklet compile-component`: what the server starts to compile a component. Nobody else has a use for it.

use super::exit::Failure;
use crate::Config;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// The name of the command.
pub(super) const NAME: &str = "compile-component";
/// Where Linux has the program that runs, also when its file has been replaced or removed since: the new one would be of another
/// version.
const SELF: &str = "/proc/self/exe";

/// Compiles one component, from the standard input to the standard output.
pub(super) fn compile(arguments: &[String]) -> Result<(), Failure> {
    Ok(socklet_plugin::compile_as_child(arguments).context("failed to compile for the server")?)
}

/// The configuration, with plugins compiled by further processes of this program.
pub(super) fn by_child(config: Config) -> Result<Config, Failure> {
    let program = match Path::new(SELF).metadata() {
        Ok(_) => PathBuf::from(SELF),
        Err(_) => std::env::current_exe().context("failed to find this program, which compiles plugins")?,
    };
    Ok(config.compiled_by(program, [NAME.into()]))
}
