//! Timers that the host keeps for this instance. Due ones arrive at [`TimerEvents`](crate::TimerEvents).

use crate::bindings::behavior_plugin::socklet::plugin::timers as host;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a timer was not set, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerError(String);

/// Sets a timer, or moves the one of that name, in whole milliseconds.
///
/// # Errors
///
/// Below 1 ms, when the name has not 1 to 255 bytes, and when the instance has 1,024 timers.
pub fn set(name: &str, after: Duration) -> Result<(), TimerError> {
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    host::set(name, millis).map_err(TimerError)
}

/// Forgets a timer; nothing happens when there is none of that name.
pub fn cancel(name: &str) {
    host::cancel(name);
}

// === impl TimerError ===

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TimerError {}
