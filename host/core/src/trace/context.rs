//! W3C Trace Context: the ids of traces and spans, and the header fields that carry them.

use std::{
    fmt::{self, Write},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Names a trace. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// Names a span of a trace. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// A span, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// Its trace.
    pub trace: TraceId,
    /// Its own id.
    pub span: SpanId,
}

/// What a client says of its own span: `traceparent` and `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The client's span.
    pub context: SpanContext,
    /// Whether the client records it.
    pub sampled: bool,
    /// What tracing systems on the way have added.
    pub state: Option<Arc<str>>,
}

/// `00-`, the trace, the span and the flags.
const LENGTH: usize = 55;
/// The longest `tracestate` that is handed on, in bytes, and its most members.
const STATE: (usize, usize) = (512, 32);

// === impl TraceId ===

impl TraceId {
    /// A new id.
    pub fn next() -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random().to_be_bytes());
        bytes[8..].copy_from_slice(&random().to_be_bytes());
        Self(bytes)
    }

    /// Its bytes, as they are sent.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether it is among so many of all ids: 0 for none, 1 for all. The same id is for everybody who asks this way.
    pub fn is_within(&self, ratio: f64) -> bool {
        let [.., a, b, c, d, e, f, g] = self.0;
        // The last seven bytes are random (W3C Trace Context, level 2).
        (u64::from_be_bytes([0, a, b, c, d, e, f, g]) as f64) < ratio * (1_u64 << 56) as f64
    }
}

// === impl SpanId ===

impl SpanId {
    /// A new id.
    pub fn next() -> Self {
        Self(random().to_be_bytes())
    }

    /// Its bytes, as they are sent.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

// === impl SpanContext ===

impl SpanContext {
    /// The field `traceparent` for whoever is called on behalf of this span, which is recorded.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }
}

// === impl TraceParent ===

impl TraceParent {
    /// Reads the two header fields (W3C Trace Context, section 3). None when `traceparent` is not valid; a `tracestate` that is not
    /// valid, or too long, is left out.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let version = hex::<1>(traceparent.get(..2)?)?;
        // Of a later version what comes behind is not known; of this one there is nothing.
        let ends = match traceparent.as_bytes().get(LENGTH) {
            None => true,
            Some(b'-') => version != [0],
            Some(_) => false,
        };
        let mut parts = traceparent.get(..LENGTH).filter(|_| ends && version != [0xff])?.split('-').skip(1);
        let trace = hex::<16>(parts.next()?).filter(|id| *id != [0; 16])?;
        let span = hex::<8>(parts.next()?).filter(|id| *id != [0; 8])?;
        let [flags] = hex::<1>(parts.next()?)?;
        let context = SpanContext { trace: TraceId(trace), span: SpanId(span) };
        let state = tracestate.filter(|state| is_state(state)).map(Arc::from);
        Some(Self { context, sampled: flags & 1 == 1, state })
    }
}

fn is_state(state: &str) -> bool {
    let visible = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let member = |member: &str| match member.trim_matches([' ', '\t']).split_once('=') {
        Some((key, value)) => !key.is_empty() && !value.is_empty() && visible(key) && visible(value),
        None => member.trim_matches([' ', '\t']).is_empty(),
    };
    !state.is_empty() && state.len() <= STATE.0 && state.split(',').count() <= STATE.1 && state.split(',').all(member)
}

/// Lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.as_bytes().iter().all(digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A number that nobody has had and that is not zero.
fn random() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        match KEY.hash_one(COUNT.fetch_add(1, Relaxed)) {
            0 => {}
            number => return number,
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .try_for_each(|digit| f.write_char(DIGITS[usize::from(digit)].into()))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_what_is_written() {
        let parent = TraceParent::parse(PARENT, Some("a=1, b@c=2")).unwrap();
        assert_eq!(parent.context.traceparent(), PARENT);
        assert_eq!(parent.context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((parent.sampled, parent.state.as_deref()), (true, Some("a=1, b@c=2")));
        let unsampled = TraceParent::parse(&PARENT.replace("-01", "-00"), None).unwrap();
        assert!(!unsampled.sampled && unsampled.state.is_none());
        assert!(TraceParent::parse(&PARENT.replace("-01", "-ff"), None).unwrap().sampled);
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        for good in [PARENT.replace("00-4", "01-4"), PARENT.replace("00-4", "01-4") + "-more"] {
            assert!(TraceParent::parse(&good, None).is_some(), "{good}");
        }
    }

    #[test]
    fn what_is_not_valid_is_no_parent() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad, None), None, "{bad:?}");
        }
        let many = vec!["a=1"; 33].join(",");
        for bad in ["", "a", "=1", "a=", "a=1,b\u{7f}=2", "a=1\n", many.as_str(), &format!("a={}", "x".repeat(512))] {
            assert_eq!(TraceParent::parse(PARENT, Some(bad)).unwrap().state, None, "{bad:?}");
        }
    }

    #[test]
    fn a_share_of_ids_is_sampled() {
        let sampled = |ratio| (0..10_000).filter(|_| TraceId::next().is_within(ratio)).count();
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((2_000..3_000).contains(&sampled(0.25)));
        assert_ne!(SpanId::next(), SpanId::next());
    }
}
