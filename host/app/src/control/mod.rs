//! What operators change while the server runs: versions of plugins, listeners, and everything by reading the configuration again.

mod drains;
mod error;
mod listeners;
mod metrics;
mod plugins;
mod status;

pub(crate) use drains::{Drain, DrainError, Drains, Phase as DrainPhase};
pub use error::ReloadError;
pub(crate) use error::{ChangeError, ListenerError};
pub(crate) use listeners::{ListenerChange, ListenerState, ListenerStatus};
pub(crate) use metrics::{Reloads, register};
pub(crate) use plugins::Change;
pub(crate) use status::PluginStatus;

use crate::{
    access::Access,
    config::{Config, ConfigError, Draft, Mistakes, Written, path_of},
    durable::{StoreError, put, remove},
    events::{Events, Kind},
    live::{Live, Prepared, Refused, Report, Site},
    ops::Health,
    uploads::Uploads,
};
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use serde_json::json;
use socklet_core::{PluginId, TenantName};
use socklet_plugin::{Plugin, VersionRole, VersionStatus};
use socklet_server::Drain as Plan;
use std::{path::Path, sync::Arc};
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
    drains: Drains,
    around: Around,
}

/// What is told of changes, and what changes with the configuration.
#[derive(Debug)]
pub(crate) struct Around {
    /// Where components are kept that were sent.
    pub(crate) uploads: Option<Arc<Uploads>>,
    pub(crate) access: Access,
    pub(crate) events: Events,
    pub(crate) health: Health,
}

/// The most problems of a reload that those are told of who read along.
const PROBLEMS_TOLD: usize = 10;

// === impl Control ===

impl Control {
    /// Nothing runs yet.
    pub(crate) fn new(site: Site, live: Live, (reloads, drains): (Reloads, Drains), around: Around) -> Self {
        let (live, changing) = (Arc::new(ArcSwap::from_pointee(live)), Mutex::default());
        Self(Arc::new(Inner { site, live, changing, reloads, drains, around }))
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
    pub(crate) fn drain_plan(&self) -> Plan {
        self.live().config.drain.clone()
    }

    /// Reads the configuration again and becomes what it says: all of it, or nothing. A dry run tells what that would be, after everything
    /// that can fail was tried.
    pub(crate) async fn reload(&self, dry_run: bool) -> Result<Report, ReloadError> {
        let outcome = self.try_reload(dry_run).await;
        self.tell(&outcome, None);
        outcome
    }

    /// As [`Control::reload`], for one tenant that has a file of its own. Mistakes of others do not matter. What is to be written is checked,
    /// then it takes the place of the file, and only then anything changes: the file always says what runs.
    pub(crate) async fn reload_tenant(
        &self,
        tenant: &TenantName,
        written: Written,
        dry_run: bool,
    ) -> Result<Report, ReloadError> {
        let outcome = self.try_reload_tenant(tenant, written, dry_run).await;
        self.tell(&outcome, Some(tenant));
        outcome
    }

    async fn try_reload(&self, dry_run: bool) -> Result<Report, ReloadError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let current = live.config.clone();
        // Thousands of files take their time, which is not that of everybody else on this thread.
        let draft = blocking(move || current.again()).await?.map_err(ReloadError::of)?;
        let mut new = match draft {
            Draft { config: Ok(config), .. } => config,
            Draft { config: Err(ref mistakes), .. } => {
                let mistakes = mistakes.clone().and(self.0.site.try_out(&live, &draft).await);
                return Err(ReloadError::Refused { mistakes: Some(mistakes), restart: Vec::new() });
            }
        };
        let restart = live.config.needs_restart(&new);
        let uploads = self.use_uploads(&mut new);
        let untimely = Mistakes::of(new.untimely(|by| self.0.site.certificates.current(by)));
        let prepared = self.0.site.prepare(&live, new, None).await;
        let wrong = uploads.into_iter().chain(untimely).reduce(|some, more| some.and(Some(more)));
        match (prepared, wrong) {
            (Ok(prepared), None) if restart.is_empty() => Ok(self.finish(&live, prepared, dry_run)),
            (Ok(_), mistakes) => Err(ReloadError::Refused { mistakes, restart }),
            (Err(Refused { mistakes, .. }), more) => {
                Err(ReloadError::Refused { mistakes: Some(mistakes.and(more)), restart })
            }
        }
    }

    async fn try_reload_tenant(
        &self,
        tenant: &TenantName,
        written: Written,
        dry_run: bool,
    ) -> Result<Report, ReloadError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let (current, name, planned) = (live.config.clone(), tenant.clone(), written.clone());
        let new = blocking(move || current.with_tenant(&name, &planned)).await?;
        let refused = |mistakes| ReloadError::of(ConfigError::Mistakes(mistakes));
        let mut new = new.map_err(refused)?;
        if let Some(mistakes) = self.use_uploads(&mut new) {
            return Err(refused(mistakes));
        }
        let prepared = self.0.site.prepare(&live, new, Some(tenant)).await;
        let prepared = prepared.map_err(|error| refused(error.mistakes))?;
        if !dry_run && let Some(folder) = live.config.tenants_dir() {
            let path = path_of(folder, tenant);
            blocking(move || write(&path, &written)).await?.map_err(|error| ReloadError::Write(error.to_string()))?;
        }
        Ok(self.finish(&live, prepared, dry_run))
    }

    /// Has plugins be what was sent for them. What is wrong with that.
    fn use_uploads(&self, config: &mut Config) -> Option<Mistakes> {
        config.use_uploads(self.0.around.uploads.as_ref()?).err()
    }

    fn finish(&self, live: &Live, prepared: Prepared, dry_run: bool) -> Report {
        if dry_run { Report { dry_run, ..prepared.report().clone() } } else { self.switch(live, prepared) }
    }

    fn switch(&self, live: &Live, prepared: Prepared) -> Report {
        let (next, report) = self.0.site.switch(live, prepared);
        if let Some(plan) = &next.config.admin {
            self.0.around.access.set(plan.credentials.clone());
        }
        self.0.live.store(Arc::new(next));
        self.hold_again();
        report
    }

    /// Both outcomes are logged, and told to who reads along.
    fn tell(&self, outcome: &Result<Report, ReloadError>, tenant: Option<&TenantName>) {
        let (name, events) = (tenant.map(TenantName::as_str), &self.0.around.events);
        let tenant = tenant.map(tracing::field::display);
        match outcome {
            Ok(report) if report.dry_run => info!(tenant, "configuration tried, nothing was changed"),
            Ok(report) => {
                self.0.reloads.count("ok");
                let Report { generation, listeners, tenants, routes, plugins, settings, closes, .. } = report;
                let closing = closes.values().sum::<usize>();
                info!(
                    generation,
                    tenant,
                    listeners = listeners.len(),
                    tenants = tenants.len(),
                    routes = routes.len(),
                    plugins = plugins.len(),
                    settings = settings.join(" "),
                    closing,
                    "configuration reloaded"
                );
                let told = json!({
                    "of": name, "generation": generation, "listeners": listeners.len(), "tenants": tenants.len(),
                    "routes": routes.len(), "plugins": plugins.len(), "settings": settings, "closing": closing,
                });
                events.tell_of(Kind::ConfigReloaded, None, told);
            }
            Err(error) => {
                self.0.reloads.count("failed");
                if error.is_of_certificates() {
                    self.0.site.certificates.refused();
                }
                let problems = error.problems();
                for problem in &problems {
                    warn!(tenant, problem = problem.replace('\n', " "), "problem of the configuration");
                }
                warn!(tenant, "configuration not reloaded, nothing was changed");
                // Events wait for those who read along: they have to be small.
                let shown = &problems[..problems.len().min(PROBLEMS_TOLD)];
                let told = json!({ "of": name, "problems": shown, "count": problems.len() });
                events.tell_of(Kind::ConfigRefused, None, told);
            }
        }
    }

    /// What runs now.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }
}

/// Has the file of a tenant be what it is to be.
fn write(path: &Path, written: &Written) -> Result<(), StoreError> {
    match written {
        Written::AsItIs => Ok(()),
        Written::Text(text) => put(path, text.as_bytes()),
        Written::Gone => remove(path),
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

/// The version that new connections get; none before it is loaded.
fn current(plugin: &Plugin) -> Option<VersionStatus> {
    let is_current = |version: &VersionStatus| matches!(version.role, VersionRole::Current | VersionRole::Trial);
    plugin.versions().into_iter().find(is_current)
}
