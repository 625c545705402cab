//! Configuration: TOML and the environment, decoded once into types that cannot hold a wrong value.
//!
//! [`sections`] is the list of everything that can be said; [`reader`] reads tables by it; [`routes`] and [`plugins`] check what
//! one key alone cannot tell; [`mod@print`] writes the list out again as defaults, reference and JSON Schema.

mod admin;
mod changes;
mod edge;
mod environment;
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
pub(crate) mod units;
mod value;
mod words;

pub(crate) use admin::{AdminPlan, find_admin};
pub(crate) use mistake::Problems;
pub use mistake::{Mistake, Mistakes, Place};
pub(crate) use plugins::{EnginePlan, PluginPlan};
pub(crate) use routes::{RoutePlan, name_of};
pub(crate) use sections::Log;
pub(crate) use tenants::TenantPlans;
pub(crate) use words::Format;

use crate::{uploads::Uploads, usage::UsagePlan};
use environment::Environment;
use origin::Origin;
use reader::{Reader, Table};
use socklet_core::ListenerName;
use socklet_server::{Bind, Drain, ListenerConfig, Mask, ServerConfig, Tls, TlsPart};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use toml_edit::Document;

/// A configuration without mistakes: every name in it refers to something, every file in it exists.
#[derive(Debug)]
pub struct Config {
    pub(crate) server: ServerConfig,
    pub(crate) listeners: Vec<ListenerConfig>,
    /// Where the certificates of listeners are written.
    pub(crate) certificates: BTreeMap<ListenerName, Vec<Place>>,
    pub(crate) routes: Vec<RoutePlan>,
    pub(crate) tenants: TenantPlans,
    pub(crate) plugins: Vec<PluginPlan>,
    pub(crate) engine: EnginePlan,
    pub(crate) drain: Drain,
    pub(crate) ops: Option<SocketAddr>,
    pub(crate) admin: Option<AdminPlan>,
    pub(crate) usage: Option<UsagePlan>,
    pub(crate) log: Log,
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

/// How often usage may be exported.
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// HTTP is read into a buffer of this size at least.
const MIN_HEADER_BYTES: usize = 8 * 1024;

// === impl Config ===

impl Config {
    /// Reads a file, and the variables `SOCKLET_*` of the process over it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Origin::of_file(path.as_ref(), Environment::of_process()).read()
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
    pub(crate) fn again(&self) -> Result<Self, ConfigError> {
        let mut new = self.origin.read()?;
        // Not written anywhere: who compiles is who runs.
        new.engine.compile_by = self.engine.compile_by.clone();
        Ok(new)
    }

    /// The file that it was read from, if it was.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.origin.file()
    }

    /// What is not as it should be, and does no harm to connections.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(Tls::warnings).map(String::as_str)
    }

    /// The certificates that are not valid now, but for those that a listener shows already.
    pub(crate) fn untimely(&self, shown: impl Fn(&ListenerName) -> Option<Tls>) -> Vec<Mistake> {
        let now = SystemTime::now();
        let mut mistakes = Vec::new();
        for listener in &self.listeners {
            let problems = listener.tls.iter().flat_map(|tls| tls.untimely(now, shown(&listener.name).as_ref()));
            mistakes.extend(problems.map(|problem| {
                let place = match problem.part {
                    TlsPart::Cert(index) => self.certificates[&listener.name][index].clone(),
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
            plan.upload = uploads.current(&plan.name);
            let (Some(upload), Some(pinned)) = (&plan.upload, &plan.digest) else { continue };
            if upload.digest != *pinned {
                let message = format!(
                    "it is pinned to {pinned}, and {} was sent for it: send the one that it is pinned to, or remove the record in \
                     admin.uploads_dir",
                    upload.digest
                );
                problems.add(Mistake::new(plan.place.clone(), None, message));
            }
        }
        problems.into_result()
    }

    fn read(text: &str, origin: Origin) -> Result<Self, Mistakes> {
        let file = origin.path.display().to_string();
        let document = document(text, &file)?;
        let problems = Problems::default();
        origin.environment.check_names(&problems);
        let config = {
            let reader = Reader::new(file.into(), text, &origin.environment, &problems);
            let top = reader.top(document.as_table());
            Self::decode(&top, &origin)
        };
        problems.into_result()?;
        Ok(config.expect("whatever is missing was noted as a mistake"))
    }

    /// Decodes all of it, so that every mistake is found. None when something that is needed is missing.
    fn decode(top: &Table<'_>, origin: &Origin) -> Option<Self> {
        let folder = origin.path.parent().unwrap_or(Path::new(""));
        let root = sections::Top::read(top, None);
        let heartbeat_table = top.one("heartbeat");
        let heartbeat = sections::Heartbeat::read(&heartbeat_table, None);
        let limits_table = top.one("limits");
        let limits = sections::ConnectionLimits::read(&limits_table, None);
        let node = sections::NodeLimits::read(&limits_table, None);
        let drain = sections::Drain::read(&top.one("drain"), None);
        let log = sections::Log::read(&top.one("log"), None);
        let ops_table = top.one("ops");
        let ops = sections::Ops::read(&ops_table, None);
        let usage = usage(&top.one("usage"), folder);
        let admin_table = top.one("admin");
        let admin = admin::admin(&admin_table, folder);
        let engine = plugins::engine(&top.one("engine"), folder);
        let (listeners, certificates) = listeners(top, folder);
        let plugins = plugins::plugins(top, folder);

        if node.as_ref().is_some_and(|node| node.max_header_bytes.0 < MIN_HEADER_BYTES) {
            limits_table.wrong("max_header_bytes", "too small for what browsers send; expected at least \"8KiB\"");
        }

        let (root, heartbeat, limits) = (root?, heartbeat?, limits?);
        routes::heartbeat(&heartbeat_table, &heartbeat);
        let around = routes::Around {
            folder,
            send_timeout: root.send_timeout,
            heartbeat: &heartbeat,
            limits: &limits,
            listeners: &listeners.iter().map(|listener| listener.name.clone()).collect::<Vec<_>>(),
            plugins: &top.names("plugin"),
        };
        let routes = routes::routes(top, &around);
        let tenants = tenants::tenants(top, routes.as_deref());

        let (node, drain, log, ops) = (node?, drain?, log?, ops?.bind);
        if let Some(listener) = listeners.iter().find(|listener| match (&listener.bind, ops) {
            (Bind::Tcp(bind), Some(ops)) => *bind == ops && ops.port() != 0,
            _ => false,
        }) {
            ops_table.wrong(
                "bind",
                format!("the listener {} has this address; operators need one of their own", listener.name),
            );
        }
        if let Some(admin) = &admin {
            admin::addresses(&admin_table, admin, &listeners, ops);
        }
        Some(Self {
            server: ServerConfig {
                handshake_timeout: node.handshake_timeout,
                max_header_bytes: node.max_header_bytes.0,
                max_headers: node.max_headers.0,
                max_connections: node.max_connections.0,
                max_connections_per_ip: node.max_connections_per_ip.0.map(|count| count.0),
                connection_rate: node.connection_rate.0,
                workers: root.workers.map(|count| count.0),
                mask: Mask { headers: lower(&log.mask_headers), query: lower(&log.mask_query) },
            },
            listeners,
            certificates,
            routes: routes?,
            tenants: tenants?,
            plugins: plugins?,
            engine: engine?,
            drain: Drain { timeout: drain.timeout, batch: drain.batch.0, interval: drain.interval },
            ops,
            admin,
            usage,
            log,
            origin: origin.clone(),
        })
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

/// The usage export, where there is a folder for it.
fn usage(table: &Table<'_>, folder: &Path) -> Option<UsagePlan> {
    let section = sections::Usage::read(table, None)?;
    if !INTERVALS.contains(&section.interval) {
        table.wrong("interval", "expected a time from \"1s\" to \"1d\"");
    }
    section.folder.map(|path| UsagePlan { folder: folder.join(path), interval: section.interval })
}

/// The listeners, or the one that there is without any.
fn listeners(top: &Table<'_>, folder: &Path) -> (Vec<ListenerConfig>, BTreeMap<ListenerName, Vec<Place>>) {
    let mut tables = top.many("listener");
    if !top.has("listener") {
        tables.push(top.absent("listener"));
    }
    let (mut listeners, mut certificates) = (Vec::<ListenerConfig>::new(), BTreeMap::new());
    for table in tables {
        let Some(section) = sections::Listener::read(&table, None) else { continue };
        let edge = edge::edge(&table, &section);
        let sections::Listener { name, bind, reuse_port, .. } = section;
        if listeners.iter().any(|other| other.name == name) {
            table.wrong("name", format!("another listener is called {name}, too; give each a name of its own"));
        }
        let taken =
            |other: &&ListenerConfig| other.bind == bind && !matches!(bind, Bind::Tcp(bind) if bind.port() == 0);
        if let Some(other) = listeners.iter().find(taken) {
            table.wrong("bind", format!("the listener {} has this address already", other.name));
        }
        let tls = tls::tls(&table, edge.http2, folder).map(|(tls, places)| {
            certificates.insert(name.clone(), places);
            tls
        });
        listeners.push(ListenerConfig { name, bind, tls, edge, reuse_port });
    }
    (listeners, certificates)
}

/// The variables of the process that a configuration looks at.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    Environment::of_process().into_iter()
}

fn lower(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}
