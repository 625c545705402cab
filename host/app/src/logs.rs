//! The log: lines on the standard error output, as text or JSON.

use crate::config::{Format, Log};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log of this process. Does nothing when there is one already.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::new(&log.level.0);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first of a process can be installed; tests may have come first.
    let _ = match log.format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
    };
}
