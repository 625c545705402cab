//! Connection ids: unique, never reused, small enough for every language's number.

use std::{
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// Names one connection. Never reused, also not after a restart; always below 2^53.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// 2026-01-01T00:00:00Z in Unix seconds.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// The next id. It starts at the microseconds since [`EPOCH`]: a restart goes on above every id of the process before it, as
/// long as that one opened fewer than a million connections a second on average.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(EPOCH);
    AtomicU64::new(now.saturating_sub(EPOCH).as_micros() as u64 + 1)
});

impl ConnectionId {
    /// The next free id.
    pub fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed) & ((1 << 53) - 1))
    }

    /// The number that plugins see.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for ConnectionId {
    /// An id as a plugin or an operator names it. It need not exist.
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionId;

    #[test]
    fn ids_ascend_and_fit_a_double() {
        let (a, b) = (ConnectionId::next(), ConnectionId::next());
        assert!(a < b && b.get() < 1 << 53);
    }
}
