//! Spans as OpenTelemetry's protocol has them.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span as Wire, Status,
        span::{Link, SpanKind as Kind},
        status::StatusCode,
    },
};
use socklet_core::{Span, SpanContext, SpanKind, SpanValue, TraceId};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who sends: the same for every span of a process.
#[derive(Clone, Debug)]
pub(super) struct Resource(v1::Resource);

/// Sampled (W3C Trace Context), and it is known whether the parent is elsewhere.
const FLAGS: u32 = 0x101;
/// The parent, or the link's target, is elsewhere.
const REMOTE: u32 = 0x200;

// === impl Resource ===

impl Resource {
    /// This process, as the operator describes it.
    pub(super) fn new(attributes: &[(String, String)]) -> Self {
        // A UUID of version 4, as the conventions want it.
        let mut id = TraceId::next().to_string().into_bytes();
        (id[12], id[16]) = (b'4', b"89ab"[usize::from(id[16] % 4)]);
        let id: Vec<_> = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]]
            .into_iter()
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        let own = [
            ("service.name", "socklet".to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", id.join("-")),
        ];
        let missing = own.iter().filter(|(name, _)| attributes.iter().all(|(given, _)| given != name));
        let missing = missing.map(|(name, value)| text(name, value.clone()));
        let given = attributes.iter().map(|(name, value)| text(name, value.clone()));
        Self(v1::Resource { attributes: missing.chain(given).collect(), ..v1::Resource::default() })
    }

    /// The request that delivers spans.
    pub(super) fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "socklet".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = spans.into_iter().map(wire).collect();
        let scope_spans = ScopeSpans { scope: Some(scope), spans, schema_url: String::new() };
        let resource = Some(self.0.clone());
        let of_resource = ResourceSpans { resource, scope_spans: vec![scope_spans], schema_url: String::new() };
        ExportTraceServiceRequest { resource_spans: vec![of_resource] }
    }
}

fn wire(span: Span) -> Wire {
    let Span { context, parent, state, links, name, kind, start, end, attributes, error } = span;
    // Only the parent of an upgrade is somebody else's.
    let remote = if kind == SpanKind::Server && parent.is_some() { REMOTE } else { 0 };
    let (code, message) = match error {
        Some(error) => (StatusCode::Error, error.into_owned()),
        None => (StatusCode::Unset, String::new()),
    };
    Wire {
        trace_id: context.trace.as_bytes().to_vec(),
        span_id: context.span.as_bytes().to_vec(),
        trace_state: state.as_deref().unwrap_or_default().to_owned(),
        parent_span_id: parent.map(|parent| parent.as_bytes().to_vec()).unwrap_or_default(),
        flags: FLAGS | remote,
        name: name.into_owned(),
        kind: match kind {
            SpanKind::Server => Kind::Server,
            SpanKind::Internal => Kind::Internal,
        }
        .into(),
        start_time_unix_nano: nanos(start),
        end_time_unix_nano: nanos(end),
        attributes: attributes.into_iter().map(|(name, said)| attribute(name, value(said))).collect(),
        links: links.iter().map(link).collect(),
        status: Some(Status { message, code: code.into() }),
        ..Wire::default()
    }
}

fn link(to: &SpanContext) -> Link {
    Link {
        trace_id: to.trace.as_bytes().to_vec(),
        span_id: to.span.as_bytes().to_vec(),
        flags: FLAGS | REMOTE,
        ..Link::default()
    }
}

fn value(value: SpanValue) -> Value {
    match value {
        SpanValue::Text(text) => Value::StringValue(text.into_owned()),
        SpanValue::Number(number) => Value::IntValue(number),
        SpanValue::Flag(flag) => Value::BoolValue(flag),
    }
}

fn text(name: &str, text: String) -> KeyValue {
    attribute(name, Value::StringValue(text))
}

fn attribute(name: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
