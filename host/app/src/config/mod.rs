//! Configuration: TOML and the environment, decoded once into types that cannot hold a wrong value.
//!
//! [`sections`] is the list of everything that can be said; [`reader`] reads tables by it; [`routes`] and [`plugins`] check what
//! one key alone cannot tell; [`decode`] does so with the main file, [`folder`] with those of tenants; [`mod@print`] writes the list
//! out again as defaults, reference and JSON Schema.

mod admin;
mod base;
mod changes;
mod decode;
mod draft;
mod edge;
mod environment;
mod folder;
mod mistake;
mod origin;
mod plugins;
pub(crate) mod print;
mod reader;
mod routes;
mod schema;
mod sections;
mod tenants;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
pub(crate) mod value;
mod words;

pub(crate) use admin::{AdminPlan, find_admin};
pub(crate) use changes::{Effect, Keys, changed_quotas};
pub(crate) use decode::farewell;
pub(crate) use draft::Draft;
pub(crate) use folder::{MAX_FILE, TenantFile, Written, path_of};
pub(crate) use mistake::Problems;
pub use mistake::{Mistake, Mistakes, Place};
pub(crate) use plugins::{EnginePlan, PluginPlan, user_cache};
pub(crate) use routes::{RoutePlan, name_of};
pub(crate) use sections::Log;
pub(crate) use tenants::TenantPlans;
pub(crate) use trace::TracePlan;
#[cfg(test)]
pub(crate) use words::Sample;
pub(crate) use words::{Filter, Format, Load};

use crate::{certificates::Shows, uploads::Uploads, usage::UsagePlan};
use base::Base;
use environment::Environment;
use origin::Origin;
use socklet_core::{ListenerName, TenantName};
use socklet_server::{Drain, ListenerConfig, ServerConfig, Tls, TlsPart};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use toml_edit::Document;

/// A configuration without mistakes: every name in it refers to something, every file in it exists.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) server: ServerConfig,
    pub(crate) listeners: Vec<ListenerConfig>,
    /// Where each of them is written.
    pub(crate) listener_places: Vec<Place>,
    /// Where the certificates of listeners are written.
    pub(crate) certificates: BTreeMap<ListenerName, Vec<Place>>,
    /// The routes of the main file.
    pub(crate) routes: Vec<Arc<RoutePlan>>,
    /// The quotas of the tenants of the main file.
    pub(crate) tenants: TenantPlans,
    /// The plugins that all tenants share.
    pub(crate) plugins: Vec<PluginPlan>,
    /// The tenants that have files of their own, and their folder.
    pub(crate) files: BTreeMap<TenantName, Arc<TenantFile>>,
    tenants_dir: Option<PathBuf>,
    base: Base,
    pub(crate) engine: EnginePlan,
    pub(crate) drain: Drain,
    pub(crate) ops: Option<SocketAddr>,
    pub(crate) admin: Option<AdminPlan>,
    pub(crate) usage: Option<UsagePlan>,
    pub(crate) log: Log,
    pub(crate) trace: Option<TracePlan>,
    origin: Origin,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

// === impl Config ===

impl Config {
    /// Reads a file, and the variables `SOCKLET_*` of the process over it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Ok(Origin::of_file(path.as_ref(), Environment::of_process()).read()?.config?)
    }

    /// Reads a text, and nothing of the environment. Paths in it start from the folder of `path`, which need not exist.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Mistakes> {
        Origin::read_text(text, path.as_ref(), Environment::default())
    }

    /// As [`Config::parse`], with these variables as the environment.
    ///
    /// # Errors
    ///
    /// Every mistake in both.
    pub fn parse_with(
        text: &str,
        path: impl AsRef<Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        Origin::read_text(text, path.as_ref(), environment.into_iter().collect())
    }

    /// Has plugins compiled in processes of their own, under the limits `compile_memory` and `compile_timeout`; without this, in the
    /// process that builds the server, without a limit. `program` is started with `arguments` and some more, which it has to hand to
    /// [`socklet_plugin::compile_as_child`]. It must be of the same build, and nobody else must be able to change it: what it writes
    /// becomes code of this process.
    #[must_use]
    pub fn compiled_by(mut self, program: PathBuf, arguments: impl Into<Vec<OsString>>) -> Self {
        self.engine.compile_by = Some((program, arguments.into()));
        self
    }

    /// Reads the configuration from where it came from again, under the same variables.
    pub(crate) fn again(&self) -> Result<Draft, ConfigError> {
        let mut draft = self.origin.read()?;
        if let Ok(new) = &mut draft.config {
            // Not written anywhere: who compiles is who runs.
            new.engine.compile_by = self.engine.compile_by.clone();
        }
        Ok(draft)
    }

    /// This configuration with one tenant of the folder as its file has it; without that tenant where there is no file.
    /// Its routes are not compared with those of others.
    ///
    /// # Errors
    ///
    /// Every mistake in the file, or that there is no folder, or that the tenant belongs to the main file.
    pub(crate) fn with_tenant(&self, name: &TenantName, written: &Written) -> Result<Self, Mistakes> {
        let wrong = |message: String| {
            let place = Place::in_file(self.origin.path.display().to_string().into(), 1, "tenants_dir");
            Err(Mistakes::from(Mistake::new(place, None, message)))
        };
        let Some(folder) = &self.tenants_dir else {
            return wrong("missing: only tenants with a file of their own can be reloaded one by one".to_owned());
        };
        let mut new = self.clone();
        match folder::read_one(folder, name, written, &self.base)? {
            Some(tenant) if self.has_tenant(name) => return Err(self.origin.twice(&tenant).into()),
            Some(tenant) => drop(new.files.insert(name.clone(), Arc::new(tenant))),
            None if self.has_tenant(name) => {
                return wrong(format!("the tenant {name} is written in this file: it is reloaded with all of it"));
            }
            None if new.files.remove(name).is_some() => {}
            None => {
                return wrong(format!("there is no tenant {name}, and no file {name}.toml in {}", folder.display()));
            }
        }
        Ok(new)
    }

    /// The folder of tenants, where there is one.
    pub(crate) fn tenants_dir(&self) -> Option<&Path> {
        self.tenants_dir.as_deref()
    }

    /// Where it begins.
    pub(crate) fn beginning(&self) -> Place {
        Place::in_file(self.origin.path.display().to_string().into(), 1, "")
    }

    /// Every route, in the order that counts: those of the main file, then those of the folder, tenant by tenant.
    pub(crate) fn all_routes(&self) -> impl Iterator<Item = &Arc<RoutePlan>> + Clone {
        self.routes.iter().chain(self.files.values().flat_map(|tenant| &tenant.routes))
    }

    /// Every plugin, those of tenants included.
    pub(crate) fn all_plugins(&self) -> impl Iterator<Item = &PluginPlan> + Clone {
        self.plugins.iter().chain(self.files.values().flat_map(|tenant| &tenant.plugins))
    }

    /// What is not as it should be, and does no harm to connections.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        let of_admin = self.admin.iter().filter_map(|plan| plan.tls.as_ref());
        let all = self.listeners.iter().filter_map(|listener| listener.tls.as_ref()).chain(of_admin);
        all.flat_map(Tls::warnings).map(String::as_str)
    }

    /// The certificates that are not valid now, but for those that somebody shows already.
    pub(crate) fn untimely(&self, shown: impl Fn(&Shows) -> Option<Tls>) -> Vec<Mistake> {
        let of_listeners = self.listeners.iter().filter_map(|listener| {
            let by = Shows::Listener(listener.name.clone());
            Some((by, listener.tls.as_ref()?, self.certificates.get(&listener.name)?))
        });
        let of_admin =
            self.admin.iter().filter_map(|plan| Some((Shows::Admin, plan.tls.as_ref()?, &plan.certificates)));
        let now = SystemTime::now();
        let mut mistakes = Vec::new();
        for (by, tls, places) in of_listeners.chain(of_admin) {
            mistakes.extend(tls.untimely(now, shown(&by).as_ref()).into_iter().map(|problem| {
                let place = match problem.part {
                    TlsPart::Cert(index) => places[index].clone(),
                    other => unreachable!("only a certificate has its time, and not {other:?}"),
                };
                Mistake::new(place, None, problem.to_string())
            }));
        }
        mistakes
    }

    /// Has plugins be the components that were sent for them.
    ///
    /// # Errors
    ///
    /// A mistake for each that the configuration pins to another digest.
    pub(crate) fn use_uploads(&mut self, uploads: &Uploads) -> Result<(), Mistakes> {
        let problems = Problems::default();
        for plan in &mut self.plugins {
            plan.use_upload(uploads.current(&plan.id()), &problems);
        }
        for file in self.files.values_mut() {
            let is_same = |plan: &PluginPlan| plan.upload == uploads.current(&plan.id());
            // Most tenants have sent nothing, and share their file with the configuration before.
            if file.plugins.iter().all(is_same) {
                continue;
            }
            for plan in &mut Arc::make_mut(file).plugins {
                plan.use_upload(uploads.current(&plan.id()), &problems);
            }
        }
        problems.into_result()
    }

    /// Whether a tenant is one of the main file's.
    fn has_tenant(&self, name: &TenantName) -> bool {
        self.tenants.is_named(name) || self.routes.iter().any(|route| route.tenant == *name)
    }

    /// The file that it was read from, if it was.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.origin.file()
    }
}

/// A text as TOML. `file` is what mistakes call it.
fn document<'t>(text: &'t str, file: &str) -> Result<Document<&'t str>, Mistakes> {
    Document::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let place = Place::in_file(file.into(), before.matches('\n').count() + 1, "");
        Mistake::new(place, None, format!("not TOML: {}", error.message().replace('\n', ", "))).into()
    })
}

/// The variables of the process that a configuration looks at.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    Environment::of_process().into_iter()
}
