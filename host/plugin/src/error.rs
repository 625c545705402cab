//! What can go wrong before a plugin serves: the engine does not start, or a component is refused.

use crate::compiler::CompilerError;
use std::{io, path::PathBuf};

/// The engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The virtual machine refuses its settings, or the address space is not there.
    #[error("failed to set up the engine for {instances} instances: {reason}")]
    Engine {
        /// The instances asked for.
        instances: u32,
        /// What it says.
        reason: String,
    },
    /// The folder for compiled plugins cannot be used.
    #[error("failed to use the cache folder {}: {reason}", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("failed to start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A plugin is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large.
    #[error("the component has {size} bytes, at most {} are allowed", crate::precheck::MAX_SIZE)]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// The configured digest is not one.
    #[error("{0:?} is not a digest: use sha256: and 64 hex digits")]
    InvalidDigest(String),
    /// The component is another one than configured.
    #[error("the component's digest is {actual}, the configuration says {expected}")]
    Digest {
        /// What the configuration says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// Not a component at all.
    #[error("not a component: {0}")]
    NotAComponent(&'static str),
    /// A component that is damaged, or uses what this host has switched off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// A component whose compilation could take too much time or memory.
    #[error("the component is refused before compilation: {0}")]
    TooComplex(String),
    /// A component that does not fit this host.
    #[error("the component does not fit this host:{}", listed(.0))]
    Misfit(Vec<String>),
    /// The compiler refused it.
    #[error("failed to compile the component: {0}")]
    Compile(String),
    /// The process that was to compile it did not.
    #[error("failed to compile the component: {0}")]
    Compiler(#[from] CompilerError),
    /// Its imports or exports have other types than the contract says.
    #[error("the component does not match the contract: {0}; build it against wit/v0.1 of this host")]
    Mismatch(String),
    /// It dies when it is started.
    #[error("the component cannot be started: {0}")]
    Start(String),
    /// The host failed.
    #[error("failed to load the component: {0}")]
    Host(String),
}

/// The plugin is of the other kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin is {}, not {}", actual.described(), wanted.described())]
pub struct WrongKind {
    /// What it is.
    pub actual: crate::Kind,
    /// What was asked for.
    pub wanted: crate::Kind,
}

fn listed(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}
