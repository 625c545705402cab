//! Reads the main file: every section, so that every mistake is found.

use super::{
    Config, Draft, PluginPlan, Problems, admin,
    base::Base,
    document, edge, folder,
    mistake::Place,
    origin::Origin,
    plugins,
    reader::{Reader, Table},
    routes, sections, tenants, tls, trace,
};
use crate::usage::UsagePlan;
use socklet_core::{CloseFrame, ListenerName};
use socklet_server::{Bind, Drain, ListenerConfig, Mask, ServerConfig};
use std::{
    collections::{BTreeMap, HashSet},
    ops::RangeInclusive,
    path::Path,
    time::Duration,
};

/// How often usage may be exported.
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// HTTP is read into a buffer of this size at least.
const MIN_HEADER_BYTES: usize = 8 * 1024;

/// A listener, and where it is written.
type PlacedListener = (ListenerConfig, Place);

/// Where the certificates of listeners are written.
type Certificates = BTreeMap<ListenerName, Vec<Place>>;

// === impl Config ===

impl Config {
    /// Reads a text.
    pub(super) fn read(text: &str, origin: &Origin) -> Draft {
        let file = origin.path.display().to_string();
        let document = match document(text, &file) {
            Ok(document) => document,
            Err(mistakes) => return Draft::unreadable(mistakes),
        };
        let problems = Problems::default();
        origin.environment.check_names(&problems);
        let (config, plugins, listeners) = {
            let reader = Reader::new(file.into(), text, &origin.environment, &problems);
            let top = reader.top(document.as_table());
            let folder = origin.path.parent().unwrap_or(Path::new(""));
            let plugins = plugins::plugins(&top, folder, None);
            let (listeners, certificates) = listeners(&top, folder);
            let right = plugins.iter().flatten().cloned().collect();
            (Self::decode(&top, origin, &problems, plugins, (&listeners, certificates)), right, listeners)
        };
        let complete = || config.expect("whatever is missing was noted as a mistake");
        Draft { config: problems.into_result().map(|()| complete()), plugins, listeners }
    }

    /// Decodes all the rest of it. None when something that is needed is missing.
    fn decode(
        top: &Table<'_>,
        origin: &Origin,
        problems: &Problems,
        plugins: Vec<Option<PluginPlan>>,
        (listeners, certificates): (&[PlacedListener], Certificates),
    ) -> Option<Self> {
        let folder = origin.path.parent().unwrap_or(Path::new(""));
        let root = sections::Top::read(top, None);
        let heartbeat_table = top.one("heartbeat");
        let heartbeat = sections::Heartbeat::read(&heartbeat_table, None);
        let limits_table = top.one("limits");
        let limits = sections::ConnectionLimits::read(&limits_table, None);
        let node = sections::NodeLimits::read(&limits_table, None);
        let drain_table = top.one("drain");
        let drain = sections::Drain::read(&drain_table, None);
        let log = sections::Log::read(&top.one("log"), None);
        let ops_table = top.one("ops");
        let ops = sections::Ops::read(&ops_table, None);
        let usage = usage(&top.one("usage"), folder);
        let trace = trace::trace(&top.one("trace"), folder);
        let admin_table = top.one("admin");
        let admin = admin::admin(&admin_table, folder);
        let engine = plugins::engine(&top.one("engine"), &top.one("grants"), folder);
        let quotas = sections::Quotas::read(&top.one("quotas"), None);
        let (listeners, listener_places): (Vec<_>, Vec<_>) = listeners.iter().cloned().unzip();

        if node.as_ref().is_some_and(|node| node.max_header_bytes.0 < MIN_HEADER_BYTES) {
            limits_table.wrong("max_header_bytes", "too small for what browsers send; expected at least \"8KiB\"");
        }

        let (root, heartbeat, limits, quotas) = (root?, heartbeat?, limits?, quotas?);
        routes::heartbeat(&heartbeat_table, &heartbeat);
        let base = Base {
            send_timeout: root.send_timeout,
            heartbeat,
            limits,
            quotas,
            listeners: listeners.iter().map(|listener| listener.name.clone()).collect(),
            plugins: top.names("plugin").into_iter().map(str::to_owned).collect(),
        };
        let around = routes::Around { base: &base, folder, owner: None, own: &[] };
        let routes = routes::routes(top, &around);
        let complete = routes.iter().all(Option::is_some);
        let routes: Vec<_> = routes.into_iter().flatten().collect();
        let tenants = tenants::tenants(top, &base.quotas, complete.then_some(&routes[..]));
        let tenants_dir = root.tenants_dir.as_ref().map(|path| folder.join(path));
        let files = tenants_dir.as_deref().map(|dir| folder::read_all(dir, &base, problems)).unwrap_or_default();
        let named = top.names("tenant");
        let here: HashSet<_> = named.into_iter().chain(routes.iter().map(|route| route.tenant.as_str())).collect();
        for tenant in files.values().filter(|tenant| here.contains(tenant.name.as_str())) {
            problems.add(origin.twice(tenant));
        }
        routes::conflicts(routes.iter().chain(files.values().flat_map(|tenant| &tenant.routes)), problems);

        let plan = drain.and_then(|section| drain_plan(&drain_table, &section));
        let (node, log, ops) = (node?, log?, ops?.bind);
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
        complete.then_some(Self {
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
            listener_places,
            certificates,
            routes,
            tenants: tenants?,
            plugins: plugins.into_iter().collect::<Option<_>>()?,
            files,
            tenants_dir,
            base,
            engine: engine?,
            drain: plan?,
            ops,
            admin,
            usage,
            log,
            trace,
            origin: origin.clone(),
        })
    }
}

/// How the server drains. None when connections cannot be closed with that.
fn drain_plan(table: &Table<'_>, section: &sections::Drain) -> Option<Drain> {
    let sections::Drain { delay, timeout, batch, interval, jitter, close_code } = section;
    let close = u16::try_from(close_code.0).ok().and_then(farewell);
    if close.is_none() {
        table.wrong("close_code", "expected 1001, 1012, 1013, or 3000 to 4999");
    }
    Some(Drain {
        delay: delay.unwrap_or_default(),
        timeout: *timeout,
        batch: batch.0,
        interval: *interval,
        jitter: *jitter,
        close: close?,
    })
}

/// What connections are closed with that are drained: none where the code is for something else.
pub(crate) fn farewell(code: u16) -> Option<CloseFrame> {
    let usual = CloseFrame::restarting();
    match code {
        _ if code == usual.code().get() => Some(usual),
        1001 | 1013 | 3000..=4999 => CloseFrame::from_application(code, "server restarting").ok(),
        _ => None,
    }
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
fn listeners(top: &Table<'_>, folder: &Path) -> (Vec<PlacedListener>, Certificates) {
    let mut tables = top.many("listener");
    if !top.has("listener") {
        tables.push(top.absent("listener"));
    }
    let (mut listeners, mut certificates) = (Vec::<PlacedListener>::new(), Certificates::new());
    for table in tables {
        let Some(section) = sections::Listener::read(&table, None) else { continue };
        let edge = edge::edge(&table, &section);
        let sections::Listener { name, bind, reuse_port, .. } = section;
        if listeners.iter().any(|(other, _)| other.name == name) {
            table.wrong("name", format!("another listener is called {name}, too; give each a name of its own"));
        }
        let taken =
            |(other, _): &&PlacedListener| other.bind == bind && !matches!(bind, Bind::Tcp(bind) if bind.port() == 0);
        if let Some((other, _)) = listeners.iter().find(taken) {
            table.wrong("bind", format!("the listener {} has this address already", other.name));
        }
        let tls = tls::tls(&table, edge.http2, folder).map(|(tls, places)| {
            certificates.insert(name.clone(), places);
            tls
        });
        listeners.push((ListenerConfig { name, bind, tls, edge, reuse_port }, table.place("bind")));
    }
    (listeners, certificates)
}

fn lower(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}
