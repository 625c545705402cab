//! What is recorded: spans, complete when they are handed over.

use super::context::{SpanContext, SpanId};
use std::{borrow::Cow, sync::Arc, time::SystemTime};

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which it is.
    pub context: SpanContext,
    /// The span that it is a part of, in the same trace.
    pub parent: Option<SpanId>,
    /// What tracing systems on the way have added to the trace.
    pub state: Option<Arc<str>>,
    /// Spans that it has to do with, elsewhere.
    pub links: Vec<SpanContext>,
    /// What took time: one of few.
    pub name: Cow<'static, str>,
    /// Whose time.
    pub kind: SpanKind,
    /// From when.
    pub start: SystemTime,
    /// Until when.
    pub end: SystemTime,
    /// What else there is to say, by OpenTelemetry's names or ones that begin with `socklet.`.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Why it is a failure, if it is one.
    pub error: Option<Cow<'static, str>>,
}

/// Whose time a span tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A request from outside.
    Server,
    /// Anything else.
    Internal,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

// === impl Span ===

impl Span {
    /// A span that begins now.
    pub(super) fn new(context: SpanContext, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Self {
        let now = SystemTime::now();
        Self {
            context,
            parent: None,
            state: None,
            links: Vec::new(),
            name: name.into(),
            kind,
            start: now,
            end: now,
            attributes: Vec::new(),
            error: None,
        }
    }
}

// === impl SpanValue ===

impl From<String> for SpanValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for SpanValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for SpanValue {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for SpanValue {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for SpanValue {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for SpanValue {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for SpanValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
