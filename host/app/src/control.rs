//! What operators change while the server runs: versions of plugins, one by one, or by reading the configuration again.

use crate::{
    assembly::plugin_config,
    certificates::Certificates,
    config::{Config, ConfigError, Mistake, PluginPlan, Problems},
};
use bytes::Bytes;
use futures_util::future::join_all;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use serde::Serialize;
use socklet_core::PluginName;
use socklet_plugin::{
    InstanceStatus, Kind, LoadError, NothingBefore, Plugin, PluginConfig, Source, Swapped, VersionRole, VersionStatus,
};
use std::{collections::BTreeMap, fmt, sync::Arc};
use tokio::sync::Mutex;
use tracing::{info, warn};

/// What operators change. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plugins: Loaded,
    /// What is configured now. Held while something changes: one change at a time.
    config: Mutex<Config>,
    reloads: Reloads,
    certificates: Certificates,
}

/// The plugins by their names.
type Loaded = Arc<BTreeMap<PluginName, Plugin>>;

/// A plugin with its versions, as operators see it.
#[derive(Debug, Serialize)]
pub(crate) struct PluginStatus {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The newest first.
    pub(crate) versions: Vec<VersionStatus>,
}

/// What came of a change of one plugin.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) plugin: String,
    /// False: it was what it should be already.
    pub(crate) changed: bool,
    /// The version that new connections get.
    pub(crate) version: VersionStatus,
}

/// A connection, as operators see it.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionStatus {
    pub(crate) id: u64,
    pub(crate) instance: InstanceStatus,
}

/// Why a plugin was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no plugin {0}")]
    Unknown(String),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
}

/// Why the configuration was not reloaded. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read, has mistakes, or names components that do not load.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// It changes what only a restart can change, and this is what.
    #[error("only a restart can change this: {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
}

/// How often the configuration was read again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads(Family<Reload, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

/// Tells which version of each plugin is current.
#[derive(Debug)]
struct Versions(Loaded);

// === impl Control ===

impl Control {
    pub(crate) fn new(
        plugins: impl IntoIterator<Item = Plugin>,
        config: Config,
        reloads: Reloads,
        certificates: Certificates,
    ) -> Self {
        let plugins = plugins.into_iter().map(|plugin| (plugin.name().clone(), plugin)).collect();
        Self(Arc::new(Inner { plugins: Arc::new(plugins), config: Mutex::new(config), reloads, certificates }))
    }

    /// Counts the versions of plugins among everything that is measured.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Versions(self.0.plugins.clone())));
    }

    /// Every plugin, by name.
    pub(crate) fn plugins(&self) -> Vec<PluginStatus> {
        self.0.plugins.values().map(PluginStatus::of).collect()
    }

    /// One plugin.
    pub(crate) fn plugin(&self, name: &str) -> Result<PluginStatus, ChangeError> {
        self.find(name).map(PluginStatus::of)
    }

    /// A connection that a plugin serves.
    pub(crate) fn connection(&self, id: u64) -> Option<ConnectionStatus> {
        let instance = self.0.plugins.values().find_map(|plugin| plugin.instance_of(id.into()))?;
        Some(ConnectionStatus { id, instance })
    }

    /// Has another component take over from the one that a plugin is. The rest of its configuration stays as it is.
    pub(crate) async fn swap(&self, name: &str, component: Bytes) -> Result<Change, ChangeError> {
        let plugin = self.find(name)?;
        let config = self.0.config.lock().await;
        let plan = config.plugins.iter().find(|plan| plan.name == *plugin.name());
        let plan = plan.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?;
        let config = PluginConfig { source: Source::Bytes(component), ..plugin_config(plan, &config.routes) };
        Ok(Change::of(plugin, plugin.swap(config).await?))
    }

    /// Has the version before take over again. Waits for nothing: not for a swap that goes on either.
    pub(crate) fn roll_back(&self, name: &str) -> Result<Change, ChangeError> {
        let plugin = self.find(name)?;
        Ok(Change::of(plugin, Swapped::To(plugin.roll_back()?)))
    }

    /// Reads the configuration again, swaps the plugins that are others now and takes the certificates that are in the files: all of
    /// them, or none.
    pub(crate) async fn reload(&self) -> Result<Vec<Change>, ReloadError> {
        let outcome = self.try_reload().await;
        self.0.reloads.count(if outcome.is_ok() { "ok" } else { "failed" });
        match &outcome {
            Ok(changes) => {
                let swapped = changes.iter().filter(|change| change.changed).count();
                info!(plugins = changes.len(), swapped, "configuration reloaded");
            }
            Err(error) => {
                if error.is_of_certificates() {
                    self.0.certificates.refused();
                }
                for problem in error.problems() {
                    warn!(problem = problem.replace('\n', " "), "problem of the configuration");
                }
                warn!("configuration not reloaded, nothing was changed");
            }
        }
        outcome
    }

    async fn try_reload(&self) -> Result<Vec<Change>, ReloadError> {
        let mut config = self.0.config.lock().await;
        let new = config.again()?;
        let changes = config.needs_restart(&new);
        if !changes.is_empty() {
            return Err(ReloadError::NeedsRestart(changes));
        }
        let planned = || new.plugins.iter().filter_map(|plan| Some((plan, self.0.plugins.get(&plan.name)?)));
        let load = |(plan, plugin): (&PluginPlan, &Plugin)| {
            let (plugin, config) = (plugin.clone(), plugin_config(plan, &new.routes));
            async move { plugin.load_next(config).await }
        };
        // The engine itself bounds how many it compiles at a time.
        let loads = join_all(planned().map(load)).await;
        let problems = Problems::default();
        new.untimely(|listener| self.0.certificates.current(listener)).into_iter().for_each(|bad| problems.add(bad));
        let mut next = Vec::new();
        for ((plan, plugin), loaded) in planned().zip(loads) {
            match loaded {
                Ok(version) => next.push((plugin, version)),
                Err(error) => problems.add(Mistake::new(plan.place.clone(), None, error.to_string())),
            }
        }
        problems.into_result().map_err(ConfigError::from)?;
        // Nothing can fail from here on.
        let changes = next.into_iter().map(|(plugin, version)| Change::of(plugin, version.install())).collect();
        for listener in &new.listeners {
            listener.tls.iter().for_each(|tls| self.0.certificates.install(&listener.name, tls.clone()));
        }
        *config = new;
        Ok(changes)
    }

    fn find(&self, name: &str) -> Result<&Plugin, ChangeError> {
        let found = name.parse::<PluginName>().ok().and_then(|name| self.0.plugins.get(&name));
        found.ok_or_else(|| ChangeError::Unknown(name.to_owned()))
    }
}

// === impl PluginStatus ===

impl PluginStatus {
    fn of(plugin: &Plugin) -> Self {
        Self { name: plugin.name().to_string(), kind: plugin.kind(), versions: plugin.versions() }
    }
}

// === impl Change ===

impl Change {
    fn of(plugin: &Plugin, swapped: Swapped) -> Self {
        let name = plugin.name().to_string();
        match swapped {
            Swapped::To(version) => Self { plugin: name, changed: true, version },
            Swapped::Unchanged => Self { plugin: name, changed: false, version: current(plugin) },
        }
    }
}

/// The version that new connections get.
fn current(plugin: &Plugin) -> VersionStatus {
    let is_current = |version: &VersionStatus| matches!(version.role, VersionRole::Current | VersionRole::Trial);
    plugin.versions().into_iter().find(is_current).expect("a plugin has a current version")
}

// === impl ReloadError ===

impl ReloadError {
    /// Whether it is, among others, a certificate, a key, or what belongs to them.
    fn is_of_certificates(&self) -> bool {
        let Self::Configuration(ConfigError::Mistakes(mistakes)) = self else { return false };
        mistakes.iter().any(|mistake| mistake.place().key().starts_with("listener.tls"))
    }

    /// Everything that is wrong, one by one.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Configuration(ConfigError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
            Self::Configuration(error) => vec![error.to_string()],
            Self::NeedsRestart(changes) => {
                changes.iter().map(|change| format!("{change}, which needs a restart")).collect()
            }
        }
    }
}

// === impl Reloads ===

impl Reloads {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let reloads = Self::default();
        registry.register("config_reloads", "Times that the configuration was read again", reloads.0.clone());
        reloads
    }

    fn count(&self, outcome: &'static str) {
        self.0.get_or_create(&Reload { outcome }).inc();
    }
}

// === impl Versions ===

impl Collector for Versions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "The version of a plugin that new connections get";
        let mut encoder = encoder.encode_descriptor("plugin_version", help, None, MetricType::Gauge)?;
        for (name, plugin) in &*self.0 {
            let labels = [("plugin", name.as_str())];
            ConstGauge::new(i64::from(current(plugin).version)).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
