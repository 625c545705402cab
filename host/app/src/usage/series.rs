//! `/metrics/tenants`: a series for each tenant, route, plugin and version.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use socklet_plugin::{Plugins, UsageRow};
use std::fmt;

/// Collects the series when somebody asks.
#[derive(Debug)]
pub(crate) struct TenantSeries(pub(crate) Plugins);

/// One kind of series.
struct Series {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    value: fn(&UsageRow) -> f64,
}

const SERIES: &[Series] = &[
    counter("tenant_cpu_seconds", "CPU time of calls into plugins", |row| row.cpu_seconds),
    counter("tenant_calls", "Calls into plugins", |row| row.calls as f64),
    counter("tenant_traps", "Calls that killed their instance", |row| row.traps as f64),
    counter("tenant_host_calls", "Calls of plugins to the host", |row| row.host_calls as f64),
    counter("tenant_messages_received", "Messages that plugins were given", |row| row.messages_received as f64),
    counter("tenant_received_bytes", "Bytes of their payload", |row| row.bytes_received as f64),
    counter("tenant_messages_sent", "Messages that plugins sent, counted for each receiver", |row| {
        row.messages_sent as f64
    }),
    counter("tenant_sent_bytes", "Bytes of their payload, as often as they were sent", |row| row.bytes_sent as f64),
    counter("tenant_connection_seconds", "How long connections were open", |row| row.connection_seconds),
    counter("tenant_memory_byte_seconds", "Bytes of guest memory times seconds", |row| row.memory_byte_seconds),
    gauge("tenant_connections", "Open connections", |row| row.connections as f64),
    gauge("tenant_memory_bytes", "Bytes of guest memory", |row| row.memory_bytes as f64),
];

const fn counter(name: &'static str, help: &'static str, value: fn(&UsageRow) -> f64) -> Series {
    Series { name, help, kind: MetricType::Counter, value }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&UsageRow) -> f64) -> Series {
    Series { name, help, kind: MetricType::Gauge, value }
}

impl Collector for TenantSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.0.usage();
        for Series { name, help, kind, value } in SERIES {
            let mut family = encoder.encode_descriptor(name, help, None, *kind)?;
            for row in &rows {
                let labels = [
                    ("tenant", row.tenant.to_string()),
                    ("route", row.route.to_string()),
                    ("plugin", row.plugin.to_string()),
                    ("version", row.version.to_string()),
                ];
                let metric = family.encode_family(&labels)?;
                match kind {
                    MetricType::Counter => ConstCounter::new(value(row)).encode(metric)?,
                    _ => ConstGauge::new(value(row)).encode(metric)?,
                }
            }
        }
        Ok(())
    }
}
