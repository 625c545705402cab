//! The route's heartbeat. Changes apply to every live connection of the route.

use crate::bindings::behavior_plugin::socklet::plugin::heartbeat as host;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why the heartbeat was not changed, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatError(String);

/// How long a connection is idle before it gets a ping.
pub fn interval() -> Duration {
    Duration::from_secs(host::interval_seconds().into())
}

/// Sets the interval, in whole seconds.
///
/// # Errors
///
/// Below 1 second and above 86,400.
pub fn set_interval(interval: Duration) -> Result<(), HeartbeatError> {
    let seconds = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX);
    host::set_interval_seconds(seconds).map_err(HeartbeatError)
}

/// The payload of the ping.
pub fn payload() -> String {
    host::payload()
}

/// Sets the payload of the ping; empty for a ping without payload.
///
/// # Errors
///
/// Above 125 bytes.
pub fn set_payload(payload: &str) -> Result<(), HeartbeatError> {
    host::set_payload(payload).map_err(HeartbeatError)
}

// === impl HeartbeatError ===

impl fmt::Display for HeartbeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for HeartbeatError {}
