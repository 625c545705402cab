//! Times as JSON has them: RFC 3339, in UTC, to the millisecond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A time, such as `2026-01-31T12:00:00.123Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let whole = UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    OffsetDateTime::from(whole).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (millis, text) in [(0, "1970-01-01T00:00:00Z"), (1_767_225_600_120, "2026-01-01T00:00:00.12Z")] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_micros(millis * 1000 + 7)), text);
        }
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
    }
}
