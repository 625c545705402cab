//! The server's metrics: a closed set of labels, never a connection id.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use socklet_core::{Cause, CloseCode, Herald, News, Opcode, RouteName, TenantName, Tracer};
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Counters and gauges of all connections of the node. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Series>);

/// See [`Metrics`].
#[derive(Debug)]
pub struct Series {
    pub(crate) connections: Gauge,
    pub(crate) opened: Counter,
    closed: Family<ClosedLabels, Counter>,
    handshakes: Family<OutcomeLabels, Counter>,
    handshake_duration: Histogram,
    tls_handshakes: Family<OutcomeLabels, Counter>,
    proxy_headers: Family<OutcomeLabels, Counter>,
    received: ByOpcode,
    sent: ByOpcode,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) queue_bytes: Gauge,
    compression_memory: Gauge,
    slow_consumers: Family<ActionLabels, Counter>,
    ping_rtt: Histogram,
    pub(crate) pong_timeouts: Counter,
    protocol_errors: Family<KindLabels, Counter>,
    limit_hits: Family<LimitLabels, Counter>,
    pub(crate) accept_errors: Counter,
    pub(crate) sockets: Gauge,
    herald: OnceLock<Arc<dyn Herald>>,
    tracer: OnceLock<Arc<dyn Tracer>>,
}

/// Counters that are looked up once, one for each kind of message.
#[derive(Clone, Debug)]
struct ByOpcode {
    text: Counter,
    binary: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedLabels {
    code: String,
    cause: &'static str,
}

macro_rules! label {
    ($name:ident, $field:ident) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            $field: &'static str,
        }
    };
}

label!(OutcomeLabels, outcome);
label!(OpcodeLabels, opcode);
label!(ActionLabels, action);
label!(KindLabels, kind);
label!(LimitLabels, limit);

/// What one connection holds between messages for compression, in bytes; part of the gauge while this lives.
#[derive(Debug)]
pub(crate) struct CompressionMemory {
    metrics: Metrics,
    bytes: usize,
}

// === impl CompressionMemory ===

impl CompressionMemory {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, bytes: 0 }
    }

    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.metrics.compression_memory.inc_by(bytes as i64 - self.bytes as i64);
            self.bytes = bytes;
        }
    }
}

impl Drop for CompressionMemory {
    fn drop(&mut self) {
        self.set(0);
    }
}

// === impl Metrics ===

impl Metrics {
    /// Registers the metrics of a server.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Series {
            connections: Gauge::default(),
            opened: Counter::default(),
            closed: Family::default(),
            handshakes: Family::default(),
            tls_handshakes: Family::default(),
            proxy_headers: Family::default(),
            handshake_duration: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            received: ByOpcode::register(registry, "messages_received", "Messages that arrived"),
            sent: ByOpcode::register(registry, "messages_sent", "Messages that were queued for clients"),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            queue_bytes: Gauge::default(),
            compression_memory: Gauge::default(),
            slow_consumers: Family::default(),
            ping_rtt: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            pong_timeouts: Counter::default(),
            protocol_errors: Family::default(),
            limit_hits: Family::default(),
            accept_errors: Counter::default(),
            sockets: Gauge::default(),
            herald: OnceLock::new(),
            tracer: OnceLock::new(),
        };
        let m = &metrics;
        registry.register("connections", "Open WebSocket connections", m.connections.clone());
        registry.register("sockets", "Open sockets, those in a handshake included", m.sockets.clone());
        registry.register("connections_opened", "WebSocket connections opened", m.opened.clone());
        registry.register("connections_closed", "WebSocket connections closed", m.closed.clone());
        registry.register("handshakes", "Upgrade requests by outcome", m.handshakes.clone());
        registry.register_with_unit(
            "handshake_duration",
            "From the request head to the answer",
            Unit::Seconds,
            m.handshake_duration.clone(),
        );
        registry.register("tls_handshakes", "TLS handshakes by outcome", m.tls_handshakes.clone());
        registry.register("proxy_headers", "Headers of the PROXY protocol by outcome", m.proxy_headers.clone());
        registry.register("received_bytes", "Bytes of messages that arrived", m.received_bytes.clone());
        registry.register("sent_bytes", "Bytes written to clients, frame headers included", m.sent_bytes.clone());
        registry.register("send_queue_bytes", "Bytes queued and not yet written", m.queue_bytes.clone());
        registry.register(
            "compression_memory_bytes",
            "Memory that compression holds between messages",
            m.compression_memory.clone(),
        );
        registry.register("slow_consumers", "Connections that did not read fast enough", m.slow_consumers.clone());
        registry.register_with_unit("ping_rtt", "From ping to pong", Unit::Seconds, m.ping_rtt.clone());
        registry.register("pong_timeouts", "Pings that were not answered in time", m.pong_timeouts.clone());
        registry.register("protocol_errors", "Violations of RFC 6455 by clients", m.protocol_errors.clone());
        registry.register("limit_hits", "Limits that were reached", m.limit_hits.clone());
        registry.register("accept_errors", "Failed accepts, such as for want of descriptors", m.accept_errors.clone());
        Self(Arc::new(metrics))
    }

    /// From now on operators are told of connections that come and go, and of limits that are reached. Only the first one counts.
    pub fn announce_by(&self, herald: Arc<dyn Herald>) {
        let _ = self.0.herald.set(herald);
    }

    /// From now on it is recorded what becomes of upgrade requests. Only the first one counts.
    pub fn trace_by(&self, tracer: Arc<dyn Tracer>) {
        let _ = self.0.tracer.set(tracer);
    }
}

impl Deref for Metrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

// === impl Series ===

impl Series {
    /// Tells operators who listen.
    pub(crate) fn tell(&self, news: News<'_>) {
        if let Some(herald) = self.herald.get() {
            herald.tell(news);
        }
    }

    /// Who records upgrade requests, if anybody does.
    pub(crate) fn tracer(&self) -> Option<&Arc<dyn Tracer>> {
        self.tracer.get()
    }

    pub(crate) fn closed(&self, code: CloseCode, cause: Cause) {
        // Application codes share a series per thousand: a plugin must not make series at will.
        let code = match code.get() {
            code @ 1000..=2999 => code.to_string(),
            3000..=3999 => "3xxx".to_owned(),
            _ => "4xxx".to_owned(),
        };
        self.closed.get_or_create(&ClosedLabels { code, cause: cause.as_str() }).inc();
    }

    pub(crate) fn handshake(&self, outcome: &'static str, duration: Duration) {
        self.handshakes.get_or_create(&OutcomeLabels { outcome }).inc();
        self.handshake_duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn tls_handshake(&self, outcome: &'static str) {
        self.tls_handshakes.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(crate) fn proxy_header(&self, outcome: &'static str) {
        self.proxy_headers.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(crate) fn message_received(&self, opcode: Opcode, bytes: usize) {
        self.received.of(opcode).inc();
        self.received_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn messages_sent(&self, opcode: Opcode, count: u64) {
        self.sent.of(opcode).inc_by(count);
    }

    pub(crate) fn slow_consumer(&self, action: &'static str) {
        self.slow_consumers.get_or_create(&ActionLabels { action }).inc();
    }

    pub(crate) fn ping_answered(&self, rtt: Duration) {
        self.ping_rtt.observe(rtt.as_secs_f64());
    }

    pub(crate) fn protocol_error(&self, kind: &'static str) {
        self.protocol_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// Counts a limit that was reached, on a route of a tenant.
    pub(crate) fn limit_hit(&self, limit: &'static str, of: Option<(&TenantName, &RouteName)>) {
        let (tenant, route) = of.unzip();
        self.tell(News::LimitHit { limit, tenant, route });
        self.limit_hits.get_or_create(&LimitLabels { limit }).inc();
    }
}

// === impl ByOpcode ===

impl ByOpcode {
    fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let family = Family::<OpcodeLabels, Counter>::default();
        registry.register(name, help, family.clone());
        let of = |opcode: Opcode| family.get_or_create_owned(&OpcodeLabels { opcode: opcode.as_str() });
        Self { text: of(Opcode::Text), binary: of(Opcode::Binary) }
    }

    fn of(&self, opcode: Opcode) -> &Counter {
        if opcode == Opcode::Text { &self.text } else { &self.binary }
    }
}
