//! When a message has its turn among those of its tenant.

use socklet_core::Tenant;
use std::time::Duration;
use tokio::time::Instant;

/// How long a message may wait for its turn. Meanwhile nothing is read: it must be less than clients wait for a pong.
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is its turn.
    Now,
    /// Its turn comes after this time; this quota makes it wait.
    After(Duration, &'static str),
    /// Its turn would come too late, by this quota.
    Never(&'static str),
}

/// Counts a message that arrived, of so many bytes.
pub(super) fn turn(tenant: &Tenant, bytes: usize, now: Instant) -> Turn {
    let mut turn = (Duration::ZERO, "");
    for (throttle, n, quota) in
        [(tenant.messages(), 1, "tenant_messages_per_second"), (tenant.bytes(), bytes, "tenant_bytes_per_second")]
    {
        let Some(throttle) = throttle else { continue };
        match throttle.take(n as u64, now.into_std(), PATIENCE) {
            Some(wait) => turn = turn.max((wait, quota)),
            None => return Turn::Never(quota),
        }
    }
    if turn.0.is_zero() { Turn::Now } else { Turn::After(turn.0, turn.1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_core::{Quotas, Rate};

    const MESSAGES: &str = "tenant_messages_per_second";
    const BYTES: &str = "tenant_bytes_per_second";

    #[test]
    fn the_stricter_quota_decides() {
        let tenant = |messages: Option<u32>, bytes_per_second| {
            let messages = messages.map(Rate::per_second);
            Tenant::new("acme".parse().unwrap(), Quotas { messages, bytes_per_second, ..Quotas::default() })
        };
        let now = Instant::now();
        let millis = Duration::from_millis;
        for (messages, bytes, expected) in [
            (None, None, [Turn::Now, Turn::Now]),
            (Some(1), None, [Turn::Now, Turn::After(millis(1000), MESSAGES)]),
            (None, Some(1000), [Turn::Now, Turn::After(millis(200), BYTES)]),
            (Some(1), Some(1000), [Turn::Now, Turn::After(millis(1000), MESSAGES)]),
            (Some(1000), Some(1000), [Turn::Now, Turn::After(millis(200), BYTES)]),
            (Some(1), Some(500), [Turn::After(millis(200), BYTES), Turn::After(millis(1400), BYTES)]),
            (Some(2), Some(90), [Turn::Never(BYTES), Turn::Never(BYTES)]),
            (Some(2), Some(110), [Turn::After(millis(4455), BYTES), Turn::Never(BYTES)]),
        ] {
            let tenant = tenant(messages, bytes);
            let turns = [turn(&tenant, 600, now), turn(&tenant, 600, now)].map(|turn| match turn {
                Turn::After(wait, quota) => Turn::After(millis(wait.as_nanos().div_ceil(1_000_000) as u64), quota),
                turn => turn,
            });
            assert_eq!(turns, expected, "{messages:?} {bytes:?}");
        }
    }
}
