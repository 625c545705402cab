//! What is measured of changes: reloads, and which version of each plugin is current.

use super::current;
use crate::live::Live;
use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use socklet_plugin::Plugin;
use std::{fmt, sync::Arc};

/// How often the configuration was read again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads(Family<Reload, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

/// Tells which version is current of each plugin that all tenants share.
#[derive(Debug)]
struct Versions(Arc<ArcSwap<Live>>);

/// The same of the plugins of tenants.
#[derive(Debug)]
struct TenantVersions(Arc<ArcSwap<Live>>);

/// Counts the versions of plugins among everything that is measured.
pub(crate) fn register(live: &Arc<ArcSwap<Live>>, registry: &mut Registry, tenants: &mut Registry) {
    registry.register_collector(Box::new(Versions(live.clone())));
    tenants.register_collector(Box::new(TenantVersions(live.clone())));
}

// === impl Reloads ===

impl Reloads {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let reloads = Self::default();
        registry.register("config_reloads", "Times that the configuration was read again", reloads.0.clone());
        reloads
    }

    pub(super) fn count(&self, outcome: &'static str) {
        self.0.get_or_create(&Reload { outcome }).inc();
    }
}

// === impl Versions ===

impl Collector for Versions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "The version of a plugin that new connections get";
        let mut encoder = encoder.encode_descriptor("plugin_version", help, None, MetricType::Gauge)?;
        for (name, plugin) in &self.0.load().shared {
            if let Some(version) = version(plugin) {
                let labels = [("plugin", name.as_str())];
                ConstGauge::new(version).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

// === impl TenantVersions ===

impl Collector for TenantVersions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "The version of a tenant's own plugin that new connections get";
        let mut encoder = encoder.encode_descriptor("tenant_plugin_version", help, None, MetricType::Gauge)?;
        for (tenant, of_tenant) in &self.0.load().tenants {
            for (name, plugin) in &of_tenant.plugins {
                if let Some(version) = version(plugin) {
                    let labels = [("tenant", tenant.as_str()), ("plugin", name.as_str())];
                    ConstGauge::new(version).encode(encoder.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// None before it is loaded.
fn version(plugin: &Plugin) -> Option<i64> {
    current(plugin).map(|version| version.version.into())
}
