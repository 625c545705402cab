//! Versions of plugins, one by one: sent, kept, taken back.

use super::{ChangeError, Control, current, find};
use crate::{
    config::PluginPlan,
    durable::StoreError,
    live::{Live, is_fleeting, plugin_config},
    uploads::Uploads,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use socklet_core::PluginId;
use socklet_plugin::{NextVersion, Plugin, PluginConfig, Source, Swapped, VersionStatus, When};
use std::{sync::Arc, time::Duration};
use tracing::warn;

/// What came of a change of one plugin.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) plugin: String,
    /// False: it was what it should be already.
    pub(crate) changed: bool,
    /// The version that new connections get; none before the plugin is loaded.
    pub(crate) version: Option<VersionStatus>,
}

/// How long until a record that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(10);

// === impl Control ===

impl Control {
    /// Whether components that are sent are kept.
    pub(crate) fn keeps_uploads(&self) -> bool {
        self.0.around.uploads.is_some()
    }

    /// Has another component take over from the one that a plugin is. The rest of its configuration stays as it is. Where there is a
    /// folder for it, the component is kept, and after a restart the plugin is still that. `by` is who sends it.
    pub(crate) async fn swap(&self, id: &str, component: Bytes, by: &str) -> Result<Change, ChangeError> {
        let changing = self.0.changing.lock().await;
        let live = self.live();
        let plugin = find(&live, id)?;
        let configured = configured(&live, plugin)?;
        let next = PluginConfig { source: Source::Bytes(component.clone()), ..configured };
        let Some(uploads) = self.0.around.uploads.clone() else {
            return Ok(Change::of(plugin, plugin.swap(next).await?));
        };
        let (digest, id, by) = (digest(&component), plugin.id().clone(), by.to_owned());
        // In this order: what is recorded is there, and what is current is recorded. So nothing is lost, whenever the process ends.
        {
            let (uploads, digest) = (uploads.clone(), digest.clone());
            blocking(move || uploads.keep(&digest, &component)).await.map_err(ChangeError::NotKept)?;
        }
        let installed = match plugin.load_next(next, When::Now).await {
            Ok(version) => install(version, uploads.clone(), id, Some(digest), by).await,
            Err(error) => Err(error.into()),
        };
        if installed.is_err() {
            let tidy = move || {
                uploads.tidy();
                Ok(())
            };
            blocking(tidy).await.map_err(ChangeError::NotKept)?;
        }
        drop(changing);
        Ok(Change::of(plugin, installed?))
    }

    /// Goes back from a component that was sent to what the configuration says.
    pub(crate) async fn reset(&self, id: &str, by: &str) -> Result<Change, ChangeError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let plugin = find(&live, id)?;
        let uploads = self.0.around.uploads.clone().filter(|uploads| uploads.current(plugin.id()).is_some());
        let Some(uploads) = uploads else { return Ok(Change::of(plugin, Swapped::Unchanged)) };
        let version = plugin.load_next(configured(&live, plugin)?, When::Now).await?;
        Ok(Change::of(plugin, install(version, uploads, plugin.id().clone(), None, by.to_owned()).await?))
    }

    /// Has the version before take over again. It does so at once, also while another swap goes on; only the record of it waits for that.
    pub(crate) async fn roll_back(&self, id: &str, by: &str) -> Result<Change, ChangeError> {
        let live = self.live();
        let plugin = find(&live, id)?;
        let change = Change::of(plugin, Swapped::To(plugin.roll_back()?));
        // Where somebody else changes something, this is recorded when that is done: see `keep_records`.
        if let Ok(_changing) = self.0.changing.try_lock() {
            self.record(plugin, by).await.map_err(ChangeError::NotRecorded)?;
        }
        Ok(change)
    }

    /// Records what plugins have gone back to, by themselves or while something else was changed. Never ends.
    pub(crate) async fn keep_records(self) {
        loop {
            let id = self.0.around.events.went_back().await;
            loop {
                let changing = self.0.changing.lock().await;
                let live = self.live();
                let Some(plugin) = live.plugin(&id) else { break };
                let recorded = self.record(plugin, "the server").await;
                drop(changing);
                let Err(error) = recorded else { break };
                warn!(%error, plugin = %id, "failed to record the version that a plugin has gone back to, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Records which component a plugin is, after it has gone back. Nothing changes meanwhile.
    async fn record(&self, plugin: &Plugin, by: &str) -> Result<(), StoreError> {
        let (Some(uploads), Some(digest)) = (self.0.around.uploads.clone(), plugin.digest()) else { return Ok(()) };
        let (id, by) = (plugin.id().clone(), by.to_owned());
        blocking(move || uploads.went_back(&id, &digest, &by)).await
    }
}

/// What a plugin is by the configuration, whatever was sent for it.
fn configured(live: &Live, plugin: &Plugin) -> Result<PluginConfig, ChangeError> {
    let plan = live.config.all_plugins().find(|plan| plan.id() == *plugin.id());
    let plan = plan.ok_or_else(|| ChangeError::Unknown(plugin.id().to_string()))?;
    // What was sent before has a digest of its own.
    let plan = PluginPlan { upload: None, ..plan.clone() };
    Ok(plugin_config(&plan, is_fleeting(&live.config, plugin.id())))
}

/// Records that a plugin is another component, or what the configuration says, and has it be that. It is not given up in the middle,
/// whoever goes away: what is recorded is so.
async fn install(
    version: NextVersion,
    uploads: Arc<Uploads>,
    plugin: PluginId,
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

// === impl Change ===

impl Change {
    fn of(plugin: &Plugin, swapped: Swapped) -> Self {
        let name = plugin.id().to_string();
        match swapped {
            Swapped::To(version) => Self { plugin: name, changed: true, version: Some(version) },
            Swapped::Deferred => Self { plugin: name, changed: true, version: None },
            Swapped::Unchanged => Self { plugin: name, changed: false, version: current(plugin) },
        }
    }
}
