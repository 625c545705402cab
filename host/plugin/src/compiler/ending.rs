//! How a process that compiles can end without code, and what the operator is told.

use super::CompileLimits;
use crate::host::log::clean;
use rustix::process::Signal;
use std::{io, os::unix::process::ExitStatusExt, path::PathBuf, process::ExitStatus, time::Duration};

/// What is said where memory is not to be had: by Rust's allocator, and by the system.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory (os error"];

/// A process that was to compile a component did not. [`LoadError::Compile`](crate::LoadError::Compile) is what the compiler itself
/// has against a component.
#[derive(Debug, thiserror::Error)]
pub enum CompilerError {
    /// It needs more memory than it may have.
    #[error("it takes more than {limit} bytes of memory, the limit is compile_memory")]
    Memory {
        /// Bytes.
        limit: u64,
    },
    /// It computes for longer than it may.
    #[error("it takes more than {limit:?} of CPU time, the limit is compile_timeout")]
    Cpu {
        /// CPU time.
        limit: Duration,
    },
    /// It takes longer than it may.
    #[error("it takes longer than {limit:?}, the limit is compile_timeout")]
    Time {
        /// Time by the clock.
        limit: Duration,
    },
    /// It ended otherwise: was killed, crashed, or is another program.
    #[error("the process that compiles ended with {0}")]
    Ended(String),
    /// It ended well and said something that is no answer.
    #[error("{} is not the compiler of this host: its answer cannot be read", program.display())]
    Garbage {
        /// The program.
        program: PathBuf,
    },
    /// It compiles for another version, or other settings, of the engine.
    #[error("{} is of another version than this host, or for other engines", program.display())]
    Foreign {
        /// The program.
        program: PathBuf,
    },
    /// It cannot be started.
    #[error("failed to start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pipes to it failed.
    #[error("failed to talk to the process that compiles: {0}")]
    Pipe(#[from] io::Error),
    /// Nobody waits for it any more.
    #[error("nobody waits for it any more")]
    Canceled,
}

/// Why a process that ended like this has no answer.
pub(super) fn failed(status: ExitStatus, complaints: &[u8], limits: CompileLimits) -> CompilerError {
    let complaints = String::from_utf8_lossy(complaints);
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return CompilerError::Cpu { limit: limits.cpu };
    }
    if NO_MEMORY.iter().any(|words| complaints.contains(words)) {
        return CompilerError::Memory { limit: limits.memory };
    }
    // Names in a component may show up in what the compiler says.
    let complaints = clean(complaints.trim()).into_owned();
    CompilerError::Ended(if complaints.is_empty() { status.to_string() } else { format!("{status}: {complaints}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_apart() {
        let limits = CompileLimits { memory: 1 << 20, cpu: Duration::from_secs(7), wall: Duration::from_secs(9) };
        let told =
            |status, complaints: &str| failed(ExitStatus::from_raw(status), complaints.as_bytes(), limits).to_string();
        assert!(told(Signal::XCPU.as_raw(), "").contains("7s of CPU time"));
        let abort = Signal::ABORT.as_raw();
        assert!(told(abort, "memory allocation of 4096 bytes failed\n").contains("1048576 bytes of memory"));
        assert!(told(Signal::KILL.as_raw(), "").ends_with("signal: 9 (SIGKILL)"));
        assert!(
            told(101 << 8, "thread 'main' panicked\nat \x1b[1mb.rs").ends_with("101: thread 'main' panicked at b.rs")
        );
    }
}
