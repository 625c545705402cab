//! From a configuration to a server that is ready to serve: every plugin loaded, every socket bound.

use crate::{
    access::Access,
    admin::{Admin, Reach},
    app::{App, Served},
    certificates::Certificates,
    config::{Config, EnginePlan, Mistake, Mistakes, PluginPlan, Problems, RoutePlan, TenantPlans},
    control::{Around, Control, Reloads},
    endpoint::Socket,
    events::Events,
    logs,
    ops::{Health, Ops},
    trace::Tracing,
    uploads::Uploads,
    usage::{Export, TenantSeries},
};
use futures_util::future::join_all;
use prometheus_client::{metrics::info::Info, registry::Registry};
use socklet_core::{Authenticator, Behavior, Connections, PluginName, Tenant, TenantName};
use socklet_plugin::{
    CallLimits, ChildCompiler, Compiler, EngineConfig, EngineError, Grants, InstancePolicy, Kind, Plugin, PluginConfig,
    Plugins,
};
use socklet_server::{Bind, BindError, Metrics, Route, RouteConflict, RouteConnections, Routes, Server, Workers};
use std::{collections::HashMap, io, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc};
use tracing::{info, warn};

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
    /// Routes that cannot be told apart.
    #[error(transparent)]
    Routes(#[from] RouteConflict),
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
        let reloads = Reloads::register(&mut registry);
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
        let plugins = load(&engine, &self.plugins, &self.routes).await?;
        let tenants = tenants(&self.tenants, &self.routes);
        let route = |plan: &RoutePlan| route(plan, &tenants[&plan.tenant], &plugins, &metrics);
        let routes = Routes::new(self.routes.iter().map(route).collect::<Result<_, _>>()?)?;
        let workers = workers(self.server.workers).map_err(BuildError::Workers)?;
        let server = Server::new(self.server.clone(), routes, metrics, &workers);
        let mut listeners = Vec::new();
        for listener in self.listeners.iter().cloned() {
            let listener = server.bind(listener).await?;
            certificates.add(listener.name(), listener.tls());
            listeners.push((listener.name().clone(), listener));
        }
        let routes = self.routes.iter().map(Served::of).collect();
        let (drain, usage) = (self.drain.clone(), self.usage.clone());
        let access = Access::new(admin.as_ref().map(|(_, plan)| plan.tokens.clone()).unwrap_or_default());
        let around =
            Around { certificates: certificates.clone(), uploads, access: access.clone(), events: events.clone() };
        let control = Control::new(plugins.into_values(), self, reloads, around);
        control.register(&mut registry);
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
            (socket, Admin::new(reach, plan.failure_rate, &mut registry))
        });
        health.set_registries(registry, tenant_registry(&engine));
        Ok(App {
            server,
            engine,
            workers,
            listeners,
            certificates,
            routes,
            ops,
            admin,
            control,
            events,
            usage,
            trace,
            health,
            drain,
        })
    }

    /// The folder of uploads, where there is one; from now on plugins are what is in it.
    fn open_uploads(&mut self) -> Result<Option<Arc<Uploads>>, BuildError> {
        let Some(folder) = self.admin.as_ref().and_then(|plan| plan.uploads.as_ref()) else { return Ok(None) };
        let uploads = Uploads::open(folder).map_err(|error| BuildError::Uploads(error.to_string()))?;
        self.use_uploads(&uploads)?;
        let known = |name: &PluginName| self.plugins.iter().any(|plan| plan.name == *name);
        for plugin in uploads.plugins().iter().filter(|name| !known(name)) {
            warn!(%plugin, "a component was sent for a plugin that is not configured");
        }
        Ok(Some(Arc::new(uploads)))
    }

    /// Loads every plugin and throws it away again: what [`Config::build`] would complain about, without a socket.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub async fn check(&self) -> Result<(), BuildError> {
        let mut registry = Registry::default();
        let engine = Plugins::new(engine_config(&self.engine), &mut registry)?;
        load(&engine, &self.plugins, &self.routes).await?;
        Ok(())
    }

    /// As [`Config::check`], and certificates have to be valid now.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub(crate) async fn check_with_certificates(&self) -> Result<(), BuildError> {
        let problems = Problems::default();
        match self.check().await {
            Ok(()) => {}
            Err(BuildError::Mistakes(mistakes)) => mistakes.iter().for_each(|mistake| problems.add(mistake.clone())),
            Err(error) => return Err(error),
        }
        self.untimely(|_| None).into_iter().for_each(|mistake| problems.add(mistake));
        Ok(problems.into_result()?)
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
    if let Some(threads) = plan.guest_threads {
        config.guest_threads = threads;
    }
    if let Some((program, arguments)) = plan.compile_by.clone() {
        config.compiler = Compiler::Child(ChildCompiler { program, arguments, limits: plan.compile_limits });
    }
    config
}

/// Loads the plugins and checks that each is of the kind that the routes take it for.
async fn load(
    engine: &Plugins,
    plans: &[PluginPlan],
    routes: &[RoutePlan],
) -> Result<HashMap<PluginName, Plugin>, Mistakes> {
    let problems = Problems::default();
    let mut plugins = HashMap::new();
    // The engine itself bounds how many it compiles at a time.
    let loads = plans.iter().map(|plan| engine.load(plugin_config(plan, routes)));
    for (plan, loaded) in plans.iter().zip(join_all(loads).await) {
        match loaded {
            Ok(plugin) => {
                info!(plugin = %plan.name, kind = kind(&plugin), digest = plugin.digest(), "plugin loaded");
                plugins.insert(plan.name.clone(), plugin);
            }
            Err(error) => problems.add(Mistake::new(plan.place.clone(), None, error.to_string())),
        }
    }
    for route in routes {
        let check = |name, place: &_, wanted, use_it| {
            if let Some(plugin) = plugins.get(name).filter(|plugin| plugin.kind() != wanted) {
                let message = format!("the plugin {name} is of the kind {}; {use_it}", kind(plugin));
                problems.add(Mistake::new(Clone::clone(place), None, message));
            }
        };
        for name in &route.authenticators {
            check(name, &route.authenticators_place, Kind::Authenticator, "write it as the route's behavior");
        }
        if let Some(name) = &route.behavior {
            check(name, &route.behavior_place, Kind::Behavior, "write it in the route's authenticators");
        }
    }
    problems.into_result()?;
    Ok(plugins)
}

fn kind(plugin: &Plugin) -> &'static str {
    match plugin.kind() {
        Kind::Authenticator => "authenticator",
        Kind::Behavior => "behavior",
    }
}

/// What a plugin is loaded with.
pub(crate) fn plugin_config(plan: &PluginPlan, routes: &[RoutePlan]) -> PluginConfig {
    let for_events = |route: &RoutePlan| {
        route.behavior.as_ref() == Some(&plan.name) && route.instances.policy == InstancePolicy::Event
    };
    PluginConfig {
        name: plan.name.clone(),
        source: plan.upload.as_ref().map_or(&plan.source, |upload| &upload.path).clone().into(),
        digest: plan.upload.as_ref().map(|upload| upload.digest.clone()).or_else(|| plan.digest.clone()),
        settings: plan.settings.clone(),
        limits: CallLimits {
            timeout: plan.timeout,
            wait: plan.wait_timeout,
            memory_max: plan.memory_max,
            host_call_bytes_max: plan.host_call_bytes_max,
            ..CallLimits::default()
        },
        grants: Grants { credentials: plan.credentials },
        stateless: plan.stateless,
        recycle_calls: plan.recycle_calls,
        recycle_memory: plan.recycle_memory,
        fleeting: routes.iter().any(for_events),
        saved_state_max: plan.saved_state_max,
        on_swap: plan.on_swap,
    }
}

/// The tenants of the routes: one of each name.
fn tenants(plans: &TenantPlans, routes: &[RoutePlan]) -> HashMap<TenantName, Arc<Tenant>> {
    let mut tenants = HashMap::new();
    for RoutePlan { tenant: name, .. } in routes {
        let tenant = || Arc::new(Tenant::new(name.clone(), plans.quotas(name).clone()));
        tenants.entry(name.clone()).or_insert_with(tenant);
    }
    tenants
}

fn route(
    plan: &RoutePlan,
    tenant: &Arc<Tenant>,
    plugins: &HashMap<PluginName, Plugin>,
    metrics: &Metrics,
) -> Result<Route, Mistakes> {
    let name = &plan.config.name;
    let connections = Arc::new(RouteConnections::new(&plan.config, tenant.clone(), metrics));
    let plugin = |name: &PluginName| plugins.get(name).expect("a route's plugins exist and are loaded");
    let authenticators = plan
        .authenticators
        .iter()
        .map(|authenticator| plugin(authenticator).authenticator(tenant, name))
        .collect::<Result<Vec<Arc<dyn Authenticator>>, _>>()
        .map_err(|error| Mistake::new(plan.authenticators_place.clone(), None, error.to_string()))?;
    let behavior = plan
        .behavior
        .as_ref()
        .map(|behavior| {
            let connections: Arc<dyn Connections> = connections.clone();
            plugin(behavior).behavior(tenant, name, plan.instances.clone(), connections)
        })
        .transpose()
        .map_err(|error| Mistake::new(plan.behavior_place.clone(), None, error.to_string()))?;
    let behavior: Option<Arc<dyn Behavior>> = behavior;
    Ok(Route::new(plan.config.clone(), connections, authenticators, behavior))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_guide_names_every_metric() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let mut registry = registry(&Health::default());
        Reloads::register(&mut registry);
        Certificates::register(&mut registry);
        Metrics::register(&mut registry);
        crate::admin::Measured::register(&mut registry);
        crate::trace::Spans::register(&mut registry);
        let config = EngineConfig { max_instances: 4, guest_threads: 1, ..EngineConfig::new(cache.path().join("c")) };
        let engine = Plugins::new(config, &mut registry).unwrap();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        prometheus_client::encoding::text::encode(&mut text, &tenant_registry(&engine)).unwrap();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert!(names.len() > 4, "{text}");
        for name in names {
            assert!(guide.contains(&format!("`{name}")), "{name}");
        }
    }
}
