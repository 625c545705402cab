//! `socklet compile-component`: what the server starts to compile a component. Nobody else has a use for it.

use super::exit::Failure;
use crate::Config;
use anyhow::Context;
use socklet_plugin::{ChildCompiler, CompileLimits, Compiler};
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
    Ok(config.compiled_by(program()?, [NAME.into()]))
}

/// Further processes of this program, as compilers of plugins.
pub(super) fn child() -> Result<Compiler, Failure> {
    let (program, arguments) = (program()?, vec![NAME.into()]);
    Ok(Compiler::Child(ChildCompiler { program, arguments, limits: CompileLimits::default() }))
}

fn program() -> Result<PathBuf, Failure> {
    Ok(match Path::new(SELF).metadata() {
        Ok(_) => PathBuf::from(SELF),
        Err(_) => std::env::current_exe().context("failed to find this program, which compiles plugins")?,
    })
}
