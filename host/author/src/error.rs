//! Why a project is not made, or not built.

use std::{io, path::PathBuf};

/// Why a project is not made, or not built.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The new project's folder has something in it.
    #[error("{} is there already, and not empty", .0.display())]
    Occupied(PathBuf),
    /// A project's name cannot be one.
    #[error("{0:?} is no name for a plugin: use 1 to 63 of a-z, 0-9, '-' and '_', beginning with a letter")]
    Name(String),
    /// There is no `plugin.toml`.
    #[error("{} is not there: run this in a project, or make one with `socklet new`", .0.display())]
    NoProject(PathBuf),
    /// `plugin.toml` has a mistake.
    #[error("{}:{line}: {message}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A tool of the language is not installed.
    #[error("{tool} is needed to build {language} and was not found; {install}")]
    Missing {
        /// Its command.
        tool: String,
        /// For which language.
        language: &'static str,
        /// What to do.
        install: String,
    },
    /// A tool says no. What it printed went to the standard error already.
    #[error("{command} failed: {status}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
    },
    /// The contract or a component cannot be read, or no component can be made of what was compiled.
    #[error("{doing}: {error:#}")]
    Component {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        error: anyhow::Error,
    },
}
