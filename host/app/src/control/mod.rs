//! What operators change while the server runs: versions of plugins, listeners, and everything by reading the configuration again.

mod error;
mod listeners;
mod metrics;
mod status;

pub use error::ReloadError;
pub(crate) use error::{ChangeError, ListenerError};
pub(crate) use metrics::{Reloads, register};

use crate::{
    config::{Config, ConfigError, Draft, PluginPlan},
    live::{Live, Prepared, Refused, Report, Site, is_fleeting, plugin_config},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use serde::Serialize;
use socklet_core::{PluginId, TenantName};
use socklet_plugin::{Plugin, PluginConfig, Source, Swapped, VersionRole, VersionStatus};
use socklet_server::Drain;
use std::sync::Arc;
use tokio::sync::Mutex;
use tracing::{info, warn};

/// What operators change. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    site: Site,
    /// What runs now. Who looks at it waits for nobody.
    live: Arc<ArcSwap<Live>>,
    /// Held while something changes: one change at a time.
    changing: Mutex<()>,
    reloads: Reloads,
}

/// What came of a change of one plugin.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) plugin: String,
    /// False: it was what it should be already.
    pub(crate) changed: bool,
    /// The version that new connections get; none before the plugin is loaded.
    pub(crate) version: Option<VersionStatus>,
}

// === impl Control ===

impl Control {
    /// Nothing runs yet.
    pub(crate) fn new(site: Site, live: Live, reloads: Reloads) -> Self {
        let (live, changing) = (Arc::new(ArcSwap::from_pointee(live)), Mutex::default());
        Self(Arc::new(Inner { site, live, changing, reloads }))
    }

    /// Counts the versions of plugins among everything that is measured.
    pub(crate) fn register(&self, registry: &mut Registry, tenants: &mut Registry) {
        register(&self.0.live, registry, tenants);
    }

    /// Prepares what the server begins with.
    pub(crate) async fn prepare(&self, config: Config) -> Result<Prepared, Refused> {
        self.0.site.prepare(&self.0.live.load_full(), config, None).await
    }

    /// Begins with what was prepared. Nothing runs before, and nobody changes anything.
    pub(crate) fn begin(&self, prepared: Prepared) {
        self.switch(&self.0.live.load_full(), prepared);
    }

    /// How connections are closed that have to go.
    pub(crate) fn drain_plan(&self) -> Drain {
        self.live().config.drain.clone()
    }

    /// Has another component take over from the one that a plugin is. The rest of its configuration stays as it is.
    pub(crate) async fn swap(&self, id: &str, component: Bytes) -> Result<Change, ChangeError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let plugin = find(&live, id)?;
        let plan = live.config.all_plugins().find(|plan| plan.id() == *plugin.id());
        let plan: &PluginPlan = plan.ok_or_else(|| ChangeError::Unknown(id.to_owned()))?;
        let planned = plugin_config(plan, is_fleeting(&live.config, plugin.id()));
        let config = PluginConfig { source: Source::Bytes(component), ..planned };
        Ok(Change::of(plugin, plugin.swap(config).await?))
    }

    /// Has the version before take over again. Waits for nothing: not for a swap that goes on either.
    pub(crate) fn roll_back(&self, id: &str) -> Result<Change, ChangeError> {
        let live = self.live();
        let plugin = find(&live, id)?;
        Ok(Change::of(plugin, Swapped::To(plugin.roll_back()?)))
    }

    /// Reads the configuration again and becomes what it says: all of it, or nothing. A dry run tells what that would be, after everything
    /// that can fail was tried.
    pub(crate) async fn reload(&self, dry_run: bool) -> Result<Report, ReloadError> {
        let outcome = self.try_reload(dry_run).await;
        self.tell(&outcome, None);
        outcome
    }

    /// As [`Control::reload`], for one tenant that has a file of its own. Mistakes of others do not matter.
    pub(crate) async fn reload_tenant(&self, tenant: &TenantName, dry_run: bool) -> Result<Report, ReloadError> {
        let outcome = self.try_reload_tenant(tenant, dry_run).await;
        self.tell(&outcome, Some(tenant));
        outcome
    }

    async fn try_reload(&self, dry_run: bool) -> Result<Report, ReloadError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let current = live.config.clone();
        // Thousands of files take their time, which is not that of everybody else on this thread.
        let draft = blocking(move || current.again()).await?.map_err(ReloadError::of)?;
        let new = match draft {
            Draft { config: Ok(config), .. } => config,
            Draft { config: Err(ref mistakes), .. } => {
                let mistakes = mistakes.clone().and(self.0.site.try_out(&live, &draft).await);
                return Err(ReloadError::Refused { mistakes: Some(mistakes), restart: Vec::new() });
            }
        };
        let restart = live.config.needs_restart(&new);
        let prepared = self.0.site.prepare(&live, new, None).await;
        match prepared {
            Ok(prepared) if restart.is_empty() => Ok(self.finish(&live, prepared, dry_run)),
            Ok(_) => Err(ReloadError::Refused { mistakes: None, restart }),
            Err(Refused { mistakes, .. }) => Err(ReloadError::Refused { mistakes: Some(mistakes), restart }),
        }
    }

    async fn try_reload_tenant(&self, tenant: &TenantName, dry_run: bool) -> Result<Report, ReloadError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let (current, name) = (live.config.clone(), tenant.clone());
        let new = blocking(move || current.with_tenant(&name)).await?;
        let new = new.map_err(|mistakes| ReloadError::of(ConfigError::Mistakes(mistakes)))?;
        let prepared = self.0.site.prepare(&live, new, Some(tenant)).await;
        let prepared = prepared.map_err(|refused| ReloadError::of(ConfigError::Mistakes(refused.mistakes)))?;
        Ok(self.finish(&live, prepared, dry_run))
    }

    fn finish(&self, live: &Live, prepared: Prepared, dry_run: bool) -> Report {
        if dry_run { Report { dry_run, ..prepared.report().clone() } } else { self.switch(live, prepared) }
    }

    fn switch(&self, live: &Live, prepared: Prepared) -> Report {
        let (next, report) = self.0.site.switch(live, prepared);
        self.0.live.store(Arc::new(next));
        report
    }

    /// Both outcomes are logged.
    fn tell(&self, outcome: &Result<Report, ReloadError>, tenant: Option<&TenantName>) {
        let tenant = tenant.map(tracing::field::display);
        match outcome {
            Ok(report) if report.dry_run => info!(tenant, "configuration tried, nothing was changed"),
            Ok(report) => {
                self.0.reloads.count("ok");
                let Report { generation, listeners, tenants, routes, plugins, settings, closes, .. } = report;
                info!(
                    generation,
                    tenant,
                    listeners = listeners.len(),
                    tenants = tenants.len(),
                    routes = routes.len(),
                    plugins = plugins.len(),
                    settings = settings.join(" "),
                    closing = closes.values().sum::<usize>(),
                    "configuration reloaded"
                );
            }
            Err(error) => {
                self.0.reloads.count("failed");
                for problem in error.problems() {
                    warn!(tenant, problem = problem.replace('\n', " "), "problem of the configuration");
                }
                warn!(tenant, "configuration not reloaded, nothing was changed");
            }
        }
    }

    /// What runs now.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }
}

/// Does something that takes a while on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReloadError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ReloadError::Lost)
}

fn find<'a>(live: &'a Live, id: &str) -> Result<&'a Plugin, ChangeError> {
    let found = id.parse::<PluginId>().ok().and_then(|id| live.plugin(&id));
    found.ok_or_else(|| ChangeError::Unknown(id.to_owned()))
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

/// The version that new connections get.
fn current(plugin: &Plugin) -> Option<VersionStatus> {
    let is_current = |version: &VersionStatus| matches!(version.role, VersionRole::Current | VersionRole::Trial);
    plugin.versions().into_iter().find(is_current)
}
