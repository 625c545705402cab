//! From a configuration to a server that is ready to serve: every plugin loaded, every socket bound.

use crate::{
    access::Access,
    admin::{Admin, AdminListener, Reach},
    app::App,
    certificates::{Certificates, Shows},
    config::{Config, EnginePlan, Mistakes, Problems},
    control::{Around, Control, Drains, Reloads},
    endpoint::Socket,
    events::Events,
    live::{self, Live, Refused, Site},
    logs,
    ops::{Health, Ops},
    trace::Tracing,
    uploads::Uploads,
    usage::{Export, TenantSeries},
};
use prometheus_client::{metrics::info::Info, registry::Registry};
use socklet_core::PluginId;
use socklet_plugin::{ChildCompiler, Compiler, EngineConfig, EngineError, Plugins};
use socklet_server::{Bind, BindError, Metrics, Routes, Server, TlsAcceptor, Workers};
use std::{io, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc};
use tracing::warn;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration is wrong in a way that only the plugins could tell.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The threads that serve connections do not start.
    #[error("failed to start the threads that serve connections: {0}")]
    Workers(#[source] io::Error),
    /// A listener's address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The operators' address cannot be bound.
    #[error("failed to bind {address} for operators: {source}")]
    Ops {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The address of the admin API cannot be bound.
    #[error("failed to bind {address} for the admin API: {source}")]
    Admin {
        /// The address.
        address: Bind,
        /// Why.
        source: io::Error,
    },
    /// The folder of the usage export cannot be used.
    #[error("failed to use the folder of the usage export {}: {source}", folder.display())]
    Usage {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Traces cannot be sent.
    #[error("failed to prepare for sending traces: {0}")]
    Trace(#[source] io::Error),
    /// The folder of uploads cannot be used.
    #[error("failed to use the folder of uploads: {0}")]
    Uploads(String),
}

impl Config {
    /// Loads every plugin and binds every socket. Serves nothing yet, but for `/healthz`, `/readyz` (503) and `/metrics`.
    ///
    /// # Errors
    ///
    /// See [`BuildError`]; what is wrong with plugins is told of all of them at once.
    pub async fn build(mut self) -> Result<App, BuildError> {
        let health = Health::default();
        let ops = match self.ops {
            Some(address) => {
                Some(Ops::start(address, health.clone()).map_err(|source| BuildError::Ops { address, source })?)
            }
            None => None,
        };
        let admin = match &self.admin {
            Some(plan) => {
                let failed = |source| BuildError::Admin { address: plan.bind.clone(), source };
                Some((Socket::bind(&plan.bind).map_err(failed)?, plan.clone()))
            }
            None => None,
        };
        let uploads = self.open_uploads()?;
        let mut registry = registry(&health);
        let changes = (Reloads::register(&mut registry), Drains::register(&mut registry));
        let certificates = Certificates::register(&mut registry);
        let metrics = Metrics::register(&mut registry);
        let events = Events::default();
        metrics.announce_by(Arc::new(events.clone()));
        let trace = self.trace.as_ref().map(|plan| Tracing::start(plan, &mut registry)).transpose();
        let trace = trace.map_err(BuildError::Trace)?;
        if let Some(trace) = &trace {
            metrics.trace_by(trace.tracer());
        }
        let engine_config = EngineConfig { herald: Some(Arc::new(events.clone())), ..engine_config(&self.engine) };
        let engine = Plugins::new(engine_config, &mut registry)?;
        let mut tenants = tenant_registry(&engine);
        let workers = workers(self.server.workers).map_err(BuildError::Workers)?;
        let server = Server::new(self.server.clone(), Routes::default(), metrics.clone(), &workers);
        let site = Site::new(engine.clone(), server.clone(), certificates.clone(), metrics);
        let usage = self.usage.clone();
        let access = Access::new(admin.as_ref().map(|(_, plan)| plan.credentials.clone()).unwrap_or_default());
        let around = Around { uploads, access: access.clone(), events: events.clone(), health: health.clone() };
        let control = Control::new(site, Live::nothing(Arc::new(self.clone())), changes, around);
        control.register(&mut registry, &mut tenants);
        let prepared = control.prepare(self).await.map_err(BuildError::of)?;
        let usage = usage
            .map(|plan| {
                let failed = |source| BuildError::Usage { folder: plan.folder.clone(), source };
                Export::start(&plan, engine.clone(), &mut registry).map_err(failed)
            })
            .transpose()?;
        let admin = admin.map(|(socket, plan)| {
            let reach = Reach {
                control: control.clone(),
                server: server.clone(),
                engine: engine.clone(),
                events: events.clone(),
                access,
                health: health.clone(),
            };
            let tls = plan.tls.map(TlsAcceptor::new);
            certificates.set(&Shows::Admin, tls.as_ref());
            AdminListener { socket, tls, admin: Admin::new(reach, plan.failure_rate, &mut registry) }
        });
        health.set_registries(registry, tenants);
        Ok(App { server, engine, workers, prepared, certificates, ops, admin, control, events, usage, trace, health })
    }

    /// The folder of uploads, where there is one; from now on plugins are what is in it.
    fn open_uploads(&mut self) -> Result<Option<Arc<Uploads>>, BuildError> {
        let Some(folder) = self.admin.as_ref().and_then(|plan| plan.uploads.as_ref()) else { return Ok(None) };
        let uploads = Uploads::open(folder).map_err(|error| BuildError::Uploads(error.to_string()))?;
        self.use_uploads(&uploads)?;
        let known = |id: &PluginId| self.all_plugins().any(|plan| plan.id() == *id);
        for plugin in uploads.plugins().iter().filter(|id| !known(id)) {
            warn!(%plugin, "a component was sent for a plugin that is not configured");
        }
        Ok(Some(Arc::new(uploads)))
    }

    /// Loads every plugin, also those that are only loaded when they are needed, and throws it away again: what [`Config::build`] would
    /// complain about, without a socket, and what would go wrong later.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub async fn check(&self) -> Result<(), BuildError> {
        self.check_plugins().await.map(drop)
    }

    async fn check_plugins(&self) -> Result<Vec<String>, BuildError> {
        let mut registry = Registry::default();
        let engine = Plugins::new(engine_config(&self.engine), &mut registry)?;
        Ok(live::check(&engine, self).await?)
    }

    /// As [`Config::check`], and certificates have to be valid now. Also what is not as it should be.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub(crate) async fn check_with_certificates(&self) -> Result<Vec<String>, BuildError> {
        let problems = Problems::default();
        let mut warnings = Vec::new();
        match self.check_plugins().await {
            Ok(found) => warnings = found,
            Err(BuildError::Mistakes(mistakes)) => mistakes.iter().for_each(|mistake| problems.add(mistake.clone())),
            Err(error) => return Err(error),
        }
        self.untimely(|_| None).into_iter().for_each(|mistake| problems.add(mistake));
        problems.into_result()?;
        Ok(warnings)
    }
}

// === impl BuildError ===

impl BuildError {
    fn of(refused: Refused) -> Self {
        let Refused { mistakes, mut binds } = refused;
        // Where nothing but addresses is wrong, the first of them says it all.
        if binds.len() == mistakes.iter().count() && !binds.is_empty() {
            Self::Bind(binds.swap_remove(0))
        } else {
            Self::Mistakes(mistakes)
        }
    }
}

/// The threads that serve connections: so many, or one for each core that the process may use.
fn workers(threads: Option<usize>) -> io::Result<Workers> {
    let threads = match threads.and_then(NonZeroUsize::new) {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    Workers::start(threads)
}

/// What the app itself measures.
fn registry(health: &Health) -> Registry {
    let mut registry = Registry::with_prefix("socklet");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version of the server", version);
    registry.register("log_lines_left_out", "Log lines that were left out, by kind", logs::left_out());
    registry.register("draining", "Whether the server is draining", health.draining_gauge());
    registry
}

/// What tenants use.
fn tenant_registry(engine: &Plugins) -> Registry {
    let mut registry = Registry::with_prefix("socklet");
    registry.register_collector(Box::new(TenantSeries(engine.clone())));
    registry
}

pub(crate) fn engine_config(plan: &EnginePlan) -> EngineConfig {
    let mut config = EngineConfig::new(plan.cache_dir.clone());
    config.max_instances = plan.max_instances;
    config.max_large_instances = plan.max_large_instances;
    config.http = plan.http.clone();
    config.keyvalue = plan.keyvalue.clone();
    if let Some(threads) = plan.guest_threads {
        config.guest_threads = threads;
    }
    if let Some((program, arguments)) = plan.compile_by.clone() {
        config.compiler = Compiler::Child(ChildCompiler { program, arguments, limits: plan.compile_limits });
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use arc_swap::ArcSwap;
    use std::path::Path;

    #[test]
    fn the_guide_names_every_metric() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let mut registry = registry(&Health::default());
        Reloads::register(&mut registry);
        Drains::register(&mut registry);
        Certificates::register(&mut registry);
        Metrics::register(&mut registry);
        crate::admin::Measured::register(&mut registry);
        crate::trace::Spans::register(&mut registry);
        let config = EngineConfig { max_instances: 4, guest_threads: 1, ..EngineConfig::new(cache.path().join("c")) };
        let engine = Plugins::new(config, &mut registry).unwrap();
        let mut tenants = tenant_registry(&engine);
        let live = Live::nothing(Arc::new(Config::parse("", "a.toml").unwrap()));
        crate::control::register(&Arc::new(ArcSwap::from_pointee(live)), &mut registry, &mut tenants);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        prometheus_client::encoding::text::encode(&mut text, &tenants).unwrap();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert!(names.len() > 4, "{text}");
        for name in names {
            assert!(guide.contains(&format!("`{name}")), "{name}");
        }
    }
}
