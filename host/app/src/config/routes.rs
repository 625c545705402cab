//! The sections `[[route]]`: what each serves.

use super::{
    base::Base,
    mistake::{Mistake, Place, Problems},
    reader::Table,
    sections::{self, ConnectionLimits, RouteLimits},
    words::{Instance, OriginList},
};
use socklet_core::{
    Heartbeat, InvalidHeartbeat, ListenerName, PluginId, PluginName, Rate, RouteName, TenantName, suggest::unknown,
};
use socklet_plugin::{DeathRate, InstancePolicy, KeyTemplate, RouteInstances};
use socklet_server::{Compression, HeaderCondition, HostPattern, Origins, PathPattern, RouteConfig, Routes};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A route to build.
#[derive(Clone, Debug)]
pub(crate) struct RoutePlan {
    pub(crate) tenant: TenantName,
    pub(crate) config: Arc<RouteConfig>,
    pub(crate) authenticators: Vec<PluginId>,
    pub(crate) behavior: Option<PluginId>,
    pub(crate) instances: RouteInstances,
    /// Where it is written.
    pub(crate) place: Place,
    /// Where its authenticators are written.
    pub(crate) authenticators_place: Place,
    /// Where its behavior is written.
    pub(crate) behavior_place: Place,
    /// The path as it was written, for people.
    pub(crate) shown_path: String,
}

/// What surrounds the routes of a file.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) base: &'a Base,
    /// The folder that paths start from.
    pub(super) folder: &'a Path,
    /// Whose routes they are, where the file says it and not each route.
    pub(super) owner: Option<&'a TenantName>,
    /// The owner's plugins by name, whether or not they are right.
    pub(super) own: &'a [&'a str],
}

/// The paths of a route: the pattern, how it is written, and the route's name where it has none.
struct Paths {
    pattern: PathPattern,
    shown: String,
    name: Option<String>,
}

// === impl RoutePlan ===

impl RoutePlan {
    /// Its tenant and name.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.tenant, self.config.name)
    }

    /// Whether a listener serves it.
    pub(crate) fn is_on(&self, listener: &ListenerName) -> bool {
        self.config.listeners.is_empty() || self.config.listeners.contains(listener)
    }
}

/// The routes of a file, each where it is right.
pub(super) fn routes(top: &Table<'_>, around: &Around<'_>) -> Vec<Option<Arc<RoutePlan>>> {
    let tables = top.many("route");
    let plans: Vec<_> = tables.iter().map(|table| route(table, around).map(Arc::new)).collect();
    let mut names = HashSet::new();
    for (table, plan) in tables.iter().zip(&plans) {
        let Some(RoutePlan { tenant, config, .. }) = plan.as_deref() else { continue };
        if !names.insert((tenant, &config.name)) {
            table.wrong("name", format!("the tenant {tenant} has another route {}; name one of them", config.name));
        }
    }
    plans
}

/// Notes every route that cannot be told apart from one before it.
pub(super) fn conflicts<'a>(plans: impl Iterator<Item = &'a Arc<RoutePlan>> + Clone, problems: &Problems) {
    let conflicts = Routes::conflicts(plans.clone().map(|plan| (&plan.tenant, &*plan.config)));
    if conflicts.is_empty() {
        return;
    }
    let plans: Vec<_> = plans.collect();
    for (number, conflict) in conflicts {
        problems.add(Mistake::new(plans[number].place.clone(), None, conflict.to_string()));
    }
}

/// A heartbeat of a section; what cannot be becomes a mistake.
pub(super) fn heartbeat(table: &Table<'_>, section: &sections::Heartbeat) -> Option<Heartbeat> {
    let heartbeat = Heartbeat::new(section.interval, section.message.as_str());
    if let Err(error) = &heartbeat {
        let key = match error {
            InvalidHeartbeat::Interval(_) => "interval",
            InvalidHeartbeat::Payload(_) => "message",
        };
        table.wrong(key, error.to_string());
    }
    heartbeat.ok()
}

fn route(table: &Table<'_>, around: &Around<'_>) -> Option<RoutePlan> {
    let heartbeat_table = table.one("heartbeat");
    let heartbeat_section = sections::Heartbeat::read(&heartbeat_table, Some(&around.base.heartbeat));
    let limits_table = table.one("limits");
    let limits = ConnectionLimits::read(&limits_table, Some(&around.base.limits));
    let route_limits = RouteLimits::read(&limits_table, None);
    let compression = table.switch("compression").map(|table| sections::Compression::read(&table, None));
    let route = sections::Route::read(table, None)?;
    let (heartbeat_section, limits, route_limits) = (heartbeat_section?, limits?, route_limits?);
    let heartbeat = heartbeat(&heartbeat_table, &heartbeat_section);

    let paths = paths(table, &route);
    let name = name(table, &route, paths.as_ref());
    let (authenticators, behavior) = references(table, &route, around);
    let tenant = match around.owner {
        Some(owner) => {
            if table.has("tenant") {
                table.wrong("tenant", "the name of the file says whose it is: leave it out");
            }
            owner.clone()
        }
        None => route.tenant.clone(),
    };
    let found = (hosts(table, &route), headers(table, &route));
    let origins = origins(table, &route);
    subprotocols(table, &route);
    let files = files(table, &route, around.folder);
    let instance = instance(table, &route, paths.as_ref());
    if route.behavior.is_none() {
        without_behavior(table, &route);
    }

    let (paths, (Some(()), Some(()))) = (paths?, found) else { return None };
    Some(RoutePlan {
        tenant,
        config: Arc::new(RouteConfig {
            name: name?,
            listeners: route.listener,
            hosts: route.host,
            path: paths.pattern,
            headers: route.headers.0.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            origins: origins?,
            subprotocols: route.subprotocols,
            compression: match compression {
                Some(section) => Some(compression_of(&section?)),
                None => None,
            },
            limits: connection_limits(
                &limits,
                &route_limits,
                route.send_timeout.unwrap_or(around.base.send_timeout),
                heartbeat_section.pong_timeout,
            ),
            heartbeat: heartbeat?,
            files,
        }),
        authenticators,
        behavior,
        instances: RouteInstances {
            policy: instance?,
            hibernate_after: route.hibernate_after.0,
            max_deaths: route.max_deaths.0.map(|Rate { count, per }| DeathRate { deaths: count, per }),
        },
        place: table.place_here(),
        authenticators_place: table.place("authenticators"),
        behavior_place: table.place("behavior"),
        shown_path: paths.shown,
    })
}

fn compression_of(section: &sections::Compression) -> Compression {
    Compression {
        level: section.level,
        threshold: section.threshold.0,
        server_no_context_takeover: section.server_no_context_takeover,
        client_no_context_takeover: section.client_no_context_takeover,
        server_max_window_bits: section.server_max_window_bits,
        client_max_window_bits: section.client_max_window_bits,
    }
}

fn connection_limits(
    limits: &ConnectionLimits,
    route: &RouteLimits,
    send_timeout: Duration,
    pong_timeout: Duration,
) -> socklet_server::ConnectionLimits {
    socklet_server::ConnectionLimits {
        max_message_size: limits.max_message_size.0,
        max_frame_size: limits.max_frame_size.0.unwrap_or(limits.max_message_size).0,
        max_fragments: limits.max_fragments.0,
        max_inflated_ratio: limits.max_inflated_ratio.0,
        control_frame_rate: limits.control_frame_rate,
        messages_per_second: limits.messages_per_second.0,
        bytes_per_second: limits.bytes_per_second.0.map(|size| size.0 as u64),
        send_queue_max_bytes: limits.send_queue_max_bytes.0,
        slow_consumer: limits.slow_consumer,
        send_timeout,
        close_timeout: limits.close_timeout,
        pong_timeout,
        idle_timeout: limits.idle_timeout.0,
        max_lifetime: limits.max_lifetime.0,
        max_connections: route.max_connections.0.map(|count| count.0),
    }
}

/// The one of `path`, `path_regex` and `default` that the route has.
fn paths(table: &Table<'_>, route: &sections::Route) -> Option<Paths> {
    const WHICH: &str = "write one of path, path_regex and default = true";
    let written: Vec<_> = ["path", "path_regex", "default"].into_iter().filter(|key| table.has(key)).collect();
    match (&route.path, &route.path_regex, route.default) {
        (Some(path), None, false) => match PathPattern::parse(path) {
            Ok(pattern) => Some(Paths { shown: path.clone(), name: Some(name_of(path)), pattern }),
            Err(error) => {
                table.wrong("path", error.to_string());
                None
            }
        },
        (None, Some(regex), false) => match PathPattern::regex(regex) {
            Ok(pattern) => Some(Paths { shown: format!("~{regex}"), name: None, pattern }),
            Err(error) => {
                table.wrong("path_regex", error.to_string());
                None
            }
        },
        (None, None, true) => {
            Some(Paths { pattern: PathPattern::default(), shown: "/…".to_owned(), name: Some("default".to_owned()) })
        }
        (None, None, false) => {
            // A path that is written but wrong was noted where it is.
            if written.iter().all(|key| *key == "default") {
                table.wrong_here(format!("it has no path: {WHICH}"));
            }
            None
        }
        _ => {
            table.wrong(written.last()?, format!("{WHICH}, not {}", written.join(" and ")));
            None
        }
    }
}

/// A name that comes from a path: its words, in the letters of names.
pub(crate) fn name_of(path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    name.truncate(63);
    if name.is_empty() { "root".to_owned() } else { name }
}

fn name(table: &Table<'_>, route: &sections::Route, paths: Option<&Paths>) -> Option<RouteName> {
    if route.name.is_some() {
        return route.name.clone();
    }
    let Some(name) = &paths?.name else {
        table.wrong("name", "missing; a route with path_regex needs one");
        return None;
    };
    name.parse().ok()
}

/// The authenticators and the behavior. Notes what refers to nothing.
fn references(table: &Table<'_>, route: &sections::Route, around: &Around<'_>) -> (Vec<PluginId>, Option<PluginId>) {
    let Around { base, owner, own, .. } = around;
    for name in route.listener.iter().filter(|name| !base.listeners.contains(name)) {
        let known = base.listeners.iter().map(ListenerName::as_str);
        table.wrong("listener", unknown(&format!("listener {name}"), name.as_str(), known));
    }
    let find = |key, name: &PluginName| {
        // Its own come before those that all share.
        let tenant = owner.filter(|_| own.contains(&name.as_str())).cloned();
        if tenant.is_none() && !base.plugins.contains(name.as_str()) {
            let known = own.iter().copied().chain(base.plugins.iter().map(String::as_str));
            table.wrong(key, unknown(&format!("plugin {name}"), name.as_str(), known));
        }
        PluginId { tenant, name: name.clone() }
    };
    let behavior = route.behavior.as_ref().map(|name| find("behavior", name));
    let authenticators = route.authenticators.iter().map(|name| find("authenticators", name)).collect();
    if let Some(twice) = twice(&route.authenticators) {
        table.wrong("authenticators", format!("{twice} is in it twice"));
    }
    (authenticators, behavior)
}

/// Notes what has no meaning without a behavior.
fn without_behavior(table: &Table<'_>, route: &sections::Route) {
    if table.has("behavior") {
        return; // it is there and wrong, and that was noted
    }
    if route.files.is_none() && !table.has("static") {
        table.wrong_here("it serves nothing: write behavior, static, or both");
    }
    for key in [
        "authenticators",
        "instance",
        "hibernate_after",
        "max_deaths",
        "subprotocols",
        "allowed_origins",
        "compression",
    ] {
        if table.has(key) {
            table.wrong(key, "this is about WebSockets, and the route has no behavior to serve them");
        }
    }
}

fn hosts(table: &Table<'_>, route: &sections::Route) -> Option<()> {
    let errors: Vec<_> = route.host.iter().filter_map(|host| host.parse::<HostPattern>().err()).collect();
    errors.iter().for_each(|error| table.wrong("host", error.to_string()));
    errors.is_empty().then_some(())
}

fn headers(table: &Table<'_>, route: &sections::Route) -> Option<()> {
    let conditions = route.headers.0.iter().map(|(name, value)| HeaderCondition::new(name, value));
    let errors: Vec<_> = conditions.filter_map(Result::err).collect();
    errors.iter().for_each(|error| table.wrong("headers", error.to_string()));
    errors.is_empty().then_some(())
}

fn origins(table: &Table<'_>, route: &sections::Route) -> Option<Origins> {
    let list = match &route.allowed_origins {
        None => return Some(Origins::SameOrigin),
        Some(OriginList::Any) => return Some(Origins::Any),
        Some(OriginList::List(list)) => list,
    };
    for error in list.iter().filter_map(|origin| Origins::list([origin]).err()) {
        table.wrong("allowed_origins", error.to_string());
    }
    Origins::list(list).ok()
}

fn subprotocols(table: &Table<'_>, route: &sections::Route) {
    // RFC 6455, section 4.1: a token, as header names are.
    for name in route.subprotocols.iter().filter(|name| http::HeaderName::from_bytes(name.as_bytes()).is_err()) {
        table.wrong("subprotocols", format!("{name:?} is not a subprotocol: no spaces, no separators, not empty"));
    }
    if let Some(twice) = twice(&route.subprotocols) {
        table.wrong("subprotocols", format!("{twice} is in it twice"));
    }
}

fn files(table: &Table<'_>, route: &sections::Route, folder: &Path) -> Option<PathBuf> {
    let path = folder.join(route.files.as_ref()?);
    if !path.is_dir() {
        table.wrong("static", format!("there is no folder {}", path.display()));
    }
    Some(path)
}

fn instance(table: &Table<'_>, route: &sections::Route, paths: Option<&Paths>) -> Option<InstancePolicy> {
    let template = match &route.instance {
        Instance::Connection => return Some(InstancePolicy::Connection),
        Instance::Shared => return Some(InstancePolicy::Shared),
        Instance::Event => return Some(InstancePolicy::Event),
        Instance::Key(template) => template,
    };
    let key = match KeyTemplate::parse(template) {
        Ok(key) => key,
        Err(error) => {
            table.wrong("instance", error.to_string());
            return None;
        }
    };
    let captures = paths?.pattern.captures();
    for name in key.captures().filter(|name| !captures.contains(name)) {
        let known = captures.iter().copied();
        table.wrong(
            "instance",
            format!("the path does not capture it: {}", unknown(&format!("capture {name}"), name, known)),
        );
    }
    Some(InstancePolicy::Key(key))
}

/// Something that is in a list twice.
fn twice<T: PartialEq>(list: &[T]) -> Option<&T> {
    list.iter().enumerate().find(|(index, item)| list[..*index].contains(item)).map(|(_, item)| item)
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn paths_name_their_routes() {
        for (path, name) in [
            ("/", "root"),
            ("/chat/{room}", "chat-room"),
            ("/Files/{*rest}", "files-rest"),
            ("/a/{b}.json", "a-b-json"),
        ] {
            assert_eq!(name_of(path), name);
        }
    }
}
