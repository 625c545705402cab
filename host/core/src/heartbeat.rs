//! The heartbeat of a route: how long idle, and what the ping says.

use bytestring::ByteString;
use std::time::Duration;

/// A route's heartbeat. A ping goes out when a connection was idle, in both directions, for the interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    interval: Duration,
    payload: ByteString,
}

/// A heartbeat that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeartbeat {
    /// Shorter than a second or longer than a day.
    #[error("heartbeat interval {0:?} is not between 1s and 24h")]
    Interval(Duration),
    /// Longer than a ping can carry.
    #[error("heartbeat payload has {0} bytes, a ping carries at most 125")]
    Payload(usize),
}

impl Heartbeat {
    /// The default interval.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(20);
    /// The default payload.
    pub const DEFAULT_PAYLOAD: &str = "heartbeat";

    /// A heartbeat with this interval and payload; an empty payload is a ping without one.
    ///
    /// # Errors
    ///
    /// When the interval is not between a second and a day, or the payload is over 125 bytes (RFC 6455, section 5.5).
    pub fn new(interval: Duration, payload: impl Into<ByteString>) -> Result<Self, InvalidHeartbeat> {
        let payload = payload.into();
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval) {
            return Err(InvalidHeartbeat::Interval(interval));
        }
        if payload.len() > 125 {
            return Err(InvalidHeartbeat::Payload(payload.len()));
        }
        Ok(Self { interval, payload })
    }

    /// How long a connection is idle before a ping.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// What the ping carries.
    pub fn payload(&self) -> &ByteString {
        &self.payload
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Self::DEFAULT_INTERVAL, payload: ByteString::from_static(Self::DEFAULT_PAYLOAD) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let second = Duration::from_secs(1);
        assert!(Heartbeat::new(second, "").is_ok());
        assert!(Heartbeat::new(Duration::ZERO, "").is_err());
        assert!(Heartbeat::new(86_401 * second, "").is_err());
        assert!(Heartbeat::new(second, "x".repeat(125)).is_ok());
        assert_eq!(Heartbeat::new(second, "x".repeat(126)), Err(InvalidHeartbeat::Payload(126)));
    }
}
