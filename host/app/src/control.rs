//! What operators change while the server runs: versions of plugins, one by one, or by reading the configuration again.

use crate::{
    access::Access,
    assembly::plugin_config,
    certificates::Certificates,
    config::{Config, ConfigError, Mistake, PluginPlan, Problems},
    events::{Events, Kind as EventKind},
    uploads::{Record, StoreError, Uploads},
};
use bytes::Bytes;
use futures_util::future::join_all;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use socklet_core::PluginName;
use socklet_plugin::{
    Kind, LoadError, NextVersion, NothingBefore, Plugin, PluginConfig, Source, Swapped, VersionRole, VersionStatus,
};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
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
    /// Where components are kept that were sent.
    uploads: Option<Arc<Uploads>>,
    access: Access,
    events: Events,
    certificates: Certificates,
}

/// What is told of changes, and what changes with the configuration.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) certificates: Certificates,
    pub(crate) uploads: Option<Arc<Uploads>>,
    pub(crate) access: Access,
    pub(crate) events: Events,
}

/// The plugins by their names.
type Loaded = Arc<BTreeMap<PluginName, Plugin>>;

/// A plugin with its versions, as operators see it.
#[derive(Debug)]
pub(crate) struct PluginStatus {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The newest first.
    pub(crate) versions: Vec<VersionStatus>,
    /// What was sent for it, and is kept.
    pub(crate) upload: Option<Record>,
}

/// What came of a change of one plugin.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) plugin: String,
    /// False: it was what it should be already.
    pub(crate) changed: bool,
    /// The version that new connections get.
    pub(crate) version: VersionStatus,
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
    #[error("there is no folder to keep it in: write admin.uploads_dir into the configuration, and restart")]
    NowhereToKeep,
    #[error("the component cannot be kept, so nothing was changed: {0}")]
    NotKept(StoreError),
    #[error("it was changed, and that cannot be recorded, so that a restart would bring the other one back: {0}")]
    NotRecorded(StoreError),
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

/// The most problems of a reload that those are told of who read along.
const PROBLEMS_TOLD: usize = 10;

/// How long until a record that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Tells which version of each plugin is current.
#[derive(Debug)]
struct Versions(Loaded);

// === impl Control ===

impl Control {
    pub(crate) fn new(
        plugins: impl IntoIterator<Item = Plugin>,
        config: Config,
        reloads: Reloads,
        around: Around,
    ) -> Self {
        let plugins = plugins.into_iter().map(|plugin| (plugin.name().clone(), plugin)).collect();
        let Around { certificates, uploads, access, events } = around;
        let (plugins, config) = (Arc::new(plugins), Mutex::new(config));
        Self(Arc::new(Inner { plugins, config, reloads, uploads, access, events, certificates }))
    }

    /// Counts the versions of plugins among everything that is measured.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Versions(self.0.plugins.clone())));
    }

    /// Every plugin, by name.
    pub(crate) fn plugins(&self) -> Vec<PluginStatus> {
        self.0.plugins.values().map(|plugin| self.status(plugin)).collect()
    }

    /// Their names.
    pub(crate) fn plugin_names(&self) -> Vec<PluginName> {
        self.0.plugins.keys().cloned().collect()
    }

    /// One plugin.
    pub(crate) fn plugin(&self, name: &str) -> Result<PluginStatus, ChangeError> {
        self.find(name).map(|plugin| self.status(plugin))
    }

    /// Whether components that are sent are kept.
    pub(crate) fn keeps_uploads(&self) -> bool {
        self.0.uploads.is_some()
    }

    /// Has another component take over from the one that a plugin is. The rest of its configuration stays as it is. Where there is a
    /// folder for it, the component is kept, and after a restart the plugin is still that. `by` is who sends it.
    pub(crate) async fn swap(&self, name: &str, component: Bytes, by: &str) -> Result<Change, ChangeError> {
        let plugin = self.find(name)?;
        let config = self.0.config.lock().await;
        let plan = config.plugins.iter().find(|plan| plan.name == *plugin.name());
        let plan = plan.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?;
        // What was sent before has a digest of its own.
        let configured = PluginPlan { upload: None, ..plan.clone() };
        let planned = plugin_config(&configured, &config.routes);
        let next = PluginConfig { source: Source::Bytes(component.clone()), ..planned };
        let Some(uploads) = self.0.uploads.clone() else { return Ok(Change::of(plugin, plugin.swap(next).await?)) };
        let (digest, name, by) = (digest(&component), plugin.name().clone(), by.to_owned());
        // In this order: what is recorded is there, and what is current is recorded. So nothing is lost, whenever the process ends.
        {
            let (uploads, digest) = (uploads.clone(), digest.clone());
            blocking(move || uploads.keep(&digest, &component)).await.map_err(ChangeError::NotKept)?;
        }
        let installed = match plugin.load_next(next).await {
            Ok(version) => install(version, uploads.clone(), name, Some(digest), by).await,
            Err(error) => Err(error.into()),
        };
        if installed.is_err() {
            let tidy = move || {
                uploads.tidy();
                Ok(())
            };
            blocking(tidy).await.map_err(ChangeError::NotKept)?;
        }
        drop(config);
        Ok(Change::of(plugin, installed?))
    }

    /// Goes back from a component that was sent to what the configuration says.
    pub(crate) async fn reset(&self, name: &str, by: &str) -> Result<Change, ChangeError> {
        let plugin = self.find(name)?;
        let config = self.0.config.lock().await;
        let uploads = self.0.uploads.clone().filter(|uploads| uploads.current(plugin.name()).is_some());
        let (Some(plan), Some(uploads)) = (config.plugins.iter().find(|plan| plan.name == *plugin.name()), uploads)
        else {
            return Ok(Change::of(plugin, Swapped::Unchanged));
        };
        let configured = PluginPlan { upload: None, ..plan.clone() };
        let version = plugin.load_next(plugin_config(&configured, &config.routes)).await?;
        let (name, by) = (plugin.name().clone(), by.to_owned());
        Ok(Change::of(plugin, install(version, uploads, name, None, by).await?))
    }

    /// Has the version before take over again. It does so at once, also while another swap goes on; only the record of it waits for that.
    pub(crate) async fn roll_back(&self, name: &str, by: &str) -> Result<Change, ChangeError> {
        let plugin = self.find(name)?;
        let change = Change::of(plugin, Swapped::To(plugin.roll_back()?));
        // Where somebody else changes something, this is recorded when that is done: see `keep_records`.
        if let Ok(config) = self.0.config.try_lock() {
            self.record(plugin, by).await.map_err(ChangeError::NotRecorded)?;
            drop(config);
        }
        Ok(change)
    }

    /// Records what plugins have gone back to, by themselves or while something else was changed. Never ends.
    pub(crate) async fn keep_records(self) {
        loop {
            let name = self.0.events.went_back().await;
            let Some(plugin) = self.0.plugins.get(&name) else { continue };
            loop {
                let config = self.0.config.lock().await;
                let recorded = self.record(plugin, "the server").await;
                drop(config);
                let Err(error) = recorded else { break };
                warn!(%error, plugin = %name, "failed to record the version that a plugin has gone back to, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Records which component a plugin is, after it has gone back. The configuration is locked: nothing changes meanwhile.
    async fn record(&self, plugin: &Plugin, by: &str) -> Result<(), StoreError> {
        let Some(uploads) = self.0.uploads.clone() else { return Ok(()) };
        let (name, digest, by) = (plugin.name().clone(), plugin.digest(), by.to_owned());
        blocking(move || uploads.went_back(&name, &digest, &by)).await
    }

    fn status(&self, plugin: &Plugin) -> PluginStatus {
        PluginStatus {
            name: plugin.name().to_string(),
            kind: plugin.kind(),
            versions: plugin.versions(),
            upload: self.0.uploads.as_ref().and_then(|uploads| uploads.record(plugin.name())),
        }
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
                self.0
                    .events
                    .tell_node(EventKind::ConfigReloaded, json!({ "plugins": changes.len(), "swapped": swapped }));
            }
            Err(error) => {
                if error.is_of_certificates() {
                    self.0.certificates.refused();
                }
                let problems = error.problems();
                // Events wait for those who read along: they have to be small.
                let told = &problems[..problems.len().min(PROBLEMS_TOLD)];
                for problem in &problems {
                    warn!(problem = problem.replace('\n', " "), "problem of the configuration");
                }
                warn!("configuration not reloaded, nothing was changed");
                self.0.events.tell_node(EventKind::ConfigRefused, json!({ "problems": told, "count": problems.len() }));
            }
        }
        outcome
    }

    async fn try_reload(&self) -> Result<Vec<Change>, ReloadError> {
        let mut config = self.0.config.lock().await;
        let mut new = config.again()?;
        if let Some(uploads) = &self.0.uploads {
            new.use_uploads(uploads).map_err(ConfigError::from)?;
        }
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
        if let Some(plan) = &new.admin {
            self.0.access.set(plan.tokens.clone());
        }
        *config = new;
        Ok(changes)
    }

    fn find(&self, name: &str) -> Result<&Plugin, ChangeError> {
        let found = name.parse::<PluginName>().ok().and_then(|name| self.0.plugins.get(&name));
        found.ok_or_else(|| ChangeError::Unknown(name.to_owned()))
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

/// Records that a plugin is another component, or what the configuration says, and has it be that. It is not given up in the middle,
/// whoever goes away: what is recorded is so.
async fn install(
    version: NextVersion,
    uploads: Arc<Uploads>,
    plugin: PluginName,
    digest: Option<String>,
    by: String,
) -> Result<Swapped, ChangeError> {
    let installed = tokio::spawn(async move {
        blocking(move || uploads.set(&plugin, digest.as_deref(), &by)).await.map(|()| version.install())
    });
    match installed.await {
        Ok(installed) => installed.map_err(ChangeError::NotKept),
        Err(error) => Err(ChangeError::NotKept(lost(error))),
    }
}

/// Does something with files on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(lost(error)),
    }
}

/// The host is going down, or its code panicked.
fn lost(error: tokio::task::JoinError) -> StoreError {
    StoreError { path: "the folder of uploads".into(), source: std::io::Error::other(error) }
}

/// `sha256:` and the digest of a component.
fn digest(component: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(component))
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
