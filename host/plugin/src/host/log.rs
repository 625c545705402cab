//! Guest lines on their way into the host's log: rate limited, cut, cleaned.

use crate::{
    metrics::Metrics,
    surroundings::{GuestLine, GuestOf, Surroundings},
};
use socklet_core::{PluginId, RouteName, Tenant};
use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// The longest line in bytes.
pub(crate) const MAX_LINE: usize = 4 << 10;
/// Lines that may come at once.
const BURST: f64 = 200.0;
/// Lines a second after that.
const PER_SECOND: f64 = 100.0;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of one plugin on one route.
pub(crate) struct GuestLog {
    tenant: Arc<Tenant>,
    route: RouteName,
    plugin: PluginId,
    metrics: Metrics,
    /// Who else hears its lines.
    surroundings: Option<Arc<dyn Surroundings>>,
    // A std mutex: held for an addition and never across an await.
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    lines: f64,
    filled: Instant,
    dropped: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// The line may go; so many were dropped since the last one.
    Admitted(u64),
    /// The first of a row of lines that may not go.
    FirstDropped,
    Dropped,
}

// === impl GuestLog ===

impl GuestLog {
    pub(crate) fn new(
        tenant: Arc<Tenant>,
        route: RouteName,
        plugin: PluginId,
        metrics: Metrics,
        surroundings: Option<Arc<dyn Surroundings>>,
    ) -> Self {
        Self { tenant, route, plugin, metrics, surroundings, bucket: Mutex::new(Bucket::full(Instant::now())) }
    }

    /// Writes one line, or counts it as dropped.
    pub(crate) fn line(&self, level: Level, stream: &'static str, message: &str) {
        let now = Instant::now();
        let over_quota = || {
            let over =
                self.tenant.log_lines().is_some_and(|quota| quota.take(1, now.into_std(), Duration::ZERO).is_none());
            if over {
                self.metrics.over_quota("log-lines");
            }
            over
        };
        let admission = self.bucket.lock().expect("taking a token does not panic").take(now, over_quota);
        match admission {
            Admission::Admitted(dropped) => {
                if dropped > 0 {
                    self.write(Level::Warn, "host", &format!("{dropped} lines were dropped"));
                }
                self.write(level, stream, &clean(message));
            }
            Admission::FirstDropped => self.write(Level::Warn, "host", "too many lines, dropping some"),
            Admission::Dropped => {}
        }
    }

    fn write(&self, level: Level, stream: &'static str, message: &str) {
        let Self { tenant, route, plugin, .. } = self;
        if let Some(surroundings) = &self.surroundings {
            let line = GuestLine { level: level.as_str(), stream, text: message };
            surroundings.line(GuestOf { tenant: tenant.name(), route, plugin }, line);
        }
        match level {
            Level::Debug => debug!(target: "socklet::guest", %tenant, %route, %plugin, stream, "{message}"),
            Level::Info => info!(target: "socklet::guest", %tenant, %route, %plugin, stream, "{message}"),
            Level::Warn => warn!(target: "socklet::guest", %tenant, %route, %plugin, stream, "{message}"),
            Level::Error => error!(target: "socklet::guest", %tenant, %route, %plugin, stream, "{message}"),
        }
    }
}

// === impl Level ===

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { lines: BURST, filled: now, dropped: 0 }
    }

    fn take(&mut self, now: Instant, over_quota: impl FnOnce() -> bool) -> Admission {
        let passed = now.saturating_duration_since(self.filled).min(Duration::from_secs(60));
        self.lines = (self.lines + passed.as_secs_f64() * PER_SECOND).min(BURST);
        self.filled = now;
        if self.lines >= 1.0 && !over_quota() {
            self.lines -= 1.0;
            return Admission::Admitted(std::mem::take(&mut self.dropped));
        }
        self.dropped += 1;
        if self.dropped == 1 { Admission::FirstDropped } else { Admission::Dropped }
    }
}

/// A guest's text as one harmless line: cut, without escape sequences and control characters.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(MAX_LINE)];
    let line = cut.trim_end();
    if !line.chars().any(harmful) {
        return line.into();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\x1b' => skip_escape(&mut rest),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            char if harmful(char) => {}
            char => out.push(char),
        }
    }
    out.into()
}

/// Characters that move a terminal's cursor or turn its text around.
fn harmful(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Skips what follows an ESC: `[ … letter`, `] … BEL` or `] … ESC \`, or a single character.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|char| !('\x40'..='\x7e').contains(&char)) {},
        Some(']') => {
            while let Some(char) = rest.next() {
                if char == '\x07' || (char == '\x1b' && rest.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_harmless() {
        assert_eq!(clean("plain ä\n"), "plain ä");
        assert_eq!(clean("a\x1b[31;1mred\x1b[0m\tb\r\nc"), "ared b  c");
        assert_eq!(clean("t\x1b]0;title\x07x\x1b]8;;u\x1b\\y\x1bcz"), "txyz");
        assert_eq!(clean("\u{202e}evil\u{9b}31m\0"), "evil31m");
        assert_eq!(clean("\x1b["), "");
    }

    #[test]
    fn lines_are_cut_between_characters() {
        let line = clean(&"ä".repeat(MAX_LINE)).into_owned();
        assert_eq!(line.len(), MAX_LINE);
        let line = clean(&format!("x{}", "ä".repeat(MAX_LINE))).into_owned();
        assert_eq!(line.len(), MAX_LINE - 1);
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..BURST as usize {
            assert_eq!(bucket.take(start, || false), Admission::Admitted(0));
        }
        assert_eq!(bucket.take(start, || false), Admission::FirstDropped);
        assert_eq!(bucket.take(start, || false), Admission::Dropped);
        assert_eq!(bucket.take(start + Duration::from_millis(11), || false), Admission::Admitted(2));
        assert_eq!(bucket.take(start + Duration::from_millis(11), || false), Admission::FirstDropped);
        let later = start + Duration::from_secs(1);
        assert_eq!(bucket.take(later, || true), Admission::Dropped, "the tenant has written enough");
        assert_eq!(bucket.take(later, || false), Admission::Admitted(2));
    }
}
