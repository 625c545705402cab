//! Who compiles components: this process, or a child with limits of memory and time.

mod answer;
mod child;
mod ending;
mod process;
mod talk;

pub use child::compile_as_child;
pub use ending::CompilerError;
pub(crate) use process::Code;

use crate::{artifact::Artifact, engine::Workshop, error::LoadError};
use std::{ffi::OsString, path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;

/// Who compiles components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// The process itself, for as long and with as much memory as it takes. For components that are known.
    #[default]
    InProcess,
    /// A child process for each component.
    Child(ChildCompiler),
}

/// A program that compiles one component and ends. What it writes is run as native code: it must be a program that calls
/// [`compile_as_child`], built as this process was, and one that nobody else can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildCompiler {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments. Those for [`compile_as_child`] follow.
    pub arguments: Vec<OsString>,
    /// What it may use.
    pub limits: CompileLimits,
}

/// What compiling one component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of memory; 64 MiB is the least that small components need.
    pub memory: u64,
    /// CPU time of all its threads, in whole seconds, rounded up.
    pub cpu: Duration,
    /// Time by the clock.
    pub wall: Duration,
}

// === impl Compiler ===

impl Compiler {
    /// Compiles a component for an engine. Takes seconds for large ones; `canceled` ends a child at once.
    pub(crate) fn compile(
        &self,
        component: &[u8],
        workshop: &Workshop,
        canceled: &CancellationToken,
    ) -> Result<Artifact, LoadError> {
        match self {
            Self::InProcess => {
                Artifact::compile(&workshop.engine, component).map_err(|error| LoadError::Compile(format!("{error:#}")))
            }
            Self::Child(child) => process::run(child, component, workshop, canceled).map(Artifact::from_child),
        }
    }
}

// === impl CompileLimits ===

impl Default for CompileLimits {
    /// 2 GiB and five minutes.
    fn default() -> Self {
        Self { memory: 2 << 30, cpu: Duration::from_secs(300), wall: Duration::from_secs(300) }
    }
}
