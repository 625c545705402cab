//! Where a run is: one line that changes on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

/// How often something that is not a terminal hears.
const EVERY: Duration = Duration::from_secs(10);

/// Says where a run is, on the standard error output.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    start: Instant,
    last: Option<Instant>,
}

// === impl Progress ===

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: stderr().is_terminal(), start: Instant::now(), last: None }
    }

    /// Says what is going on.
    pub(crate) fn say(&mut self, what: &str) {
        let seconds = self.start.elapsed().as_secs();
        if self.terminal {
            eprint!("\r\x1b[K[{seconds:>4} s] {what}");
        } else if self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            eprintln!("[{seconds:>4} s] {what}");
        }
    }

    /// Says something that stays.
    pub(crate) fn keep(&mut self, what: &str) {
        self.clear();
        eprintln!("[{:>4} s] {what}", self.start.elapsed().as_secs());
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
