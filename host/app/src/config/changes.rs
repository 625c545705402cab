//! What differs between two configurations, key by key, and which of it only a restart can change.

use super::{AdminPlan, Config, EnginePlan, PluginPlan, RoutePlan};
use crate::usage::UsagePlan;
use socklet_core::Quotas;
use socklet_plugin::{Grants, RouteInstances};
use socklet_server::{ConnectionLimits, Drain, RouteConfig, ServerConfig};

/// What changes with a route that has other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Its limits and its heartbeat hold for everybody from now on, the rest for whoever comes from now on.
    Settings,
    /// Its connections cannot go on: another plugin serves it, or they share instances in another way.
    Anew,
}

/// Names of keys, as they are written: `limits.max_message_size`.
pub(crate) type Keys = Vec<&'static str>;

/// The names of those that are not the same.
fn differing<const N: usize>(same: [(&'static str, bool); N]) -> Keys {
    same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

// === impl Config ===

impl Config {
    /// What another configuration has that a running server of this one cannot take over: keys.
    pub(crate) fn needs_restart(&self, new: &Self) -> Keys {
        let (mut keys, _) = self.settings(new);
        keys.sort_unstable();
        keys
    }

    /// What it has that is neither a listener nor a route, a tenant or a plugin, and can be taken over: keys.
    pub(crate) fn changed_settings(&self, new: &Self) -> Keys {
        self.settings(new).1
    }

    /// Keys that need a restart, and keys that do not.
    fn settings(&self, new: &Self) -> (Keys, Keys) {
        // Every part is named, here and below, so that one that is new is not forgotten.
        let Self {
            server,
            listeners: _,
            listener_places: _,
            certificates: _,
            routes: _,
            tenants: _,
            plugins: _,
            files: _,
            tenants_dir: _,
            // What it has is in the routes and the tenants.
            base: _,
            engine,
            drain,
            ops,
            admin,
            usage,
            log,
            trace,
            origin: _,
        } = self;
        let ServerConfig {
            handshake_timeout,
            max_header_bytes,
            max_headers,
            max_connections,
            max_connections_per_ip,
            connection_rate,
            workers,
            mask,
        } = server;
        let EnginePlan {
            cache_dir,
            max_instances,
            max_large_instances,
            guest_threads,
            compile_limits,
            http,
            keyvalue,
            compile_by: _,
        } = engine;
        let folder = |usage: &Option<UsagePlan>| usage.as_ref().map(|plan| plan.folder.clone());
        let interval = |usage: &Option<UsagePlan>| usage.as_ref().map(|plan| plan.interval);
        let restart = differing([
            ("workers", *workers == new.server.workers),
            ("engine.cache_dir", *cache_dir == new.engine.cache_dir),
            ("engine.max_instances", *max_instances == new.engine.max_instances),
            ("engine.max_large_instances", *max_large_instances == new.engine.max_large_instances),
            ("engine.guest_threads", *guest_threads == new.engine.guest_threads),
            ("engine.compile_memory", compile_limits.memory == new.engine.compile_limits.memory),
            ("engine.compile_timeout", compile_limits.wall == new.engine.compile_limits.wall),
            ("[grants]", (http, keyvalue) == (&new.engine.http, &new.engine.keyvalue)),
            ("ops.bind", *ops == new.ops),
            ("[admin]", !AdminPlan::needs_restart(admin, &new.admin)),
            ("usage.folder", folder(usage) == folder(&new.usage)),
            ("usage.interval", interval(usage) == interval(&new.usage)),
            ("log.format", log.format == new.log.format),
            ("log.sample", log.sample == new.log.sample),
            ("log.max_rate", log.max_rate == new.log.max_rate),
            ("[trace]", *trace == new.trace),
        ]);
        let Drain { delay, timeout, batch, interval, jitter, close } = drain;
        let live = differing([
            ("limits.handshake_timeout", *handshake_timeout == new.server.handshake_timeout),
            ("limits.max_header_bytes", *max_header_bytes == new.server.max_header_bytes),
            ("limits.max_headers", *max_headers == new.server.max_headers),
            ("limits.max_connections", *max_connections == new.server.max_connections),
            ("limits.max_connections_per_ip", *max_connections_per_ip == new.server.max_connections_per_ip),
            ("limits.connection_rate", *connection_rate == new.server.connection_rate),
            ("drain.delay", *delay == new.drain.delay),
            ("drain.timeout", *timeout == new.drain.timeout),
            ("drain.batch", *batch == new.drain.batch),
            ("drain.interval", *interval == new.drain.interval),
            ("drain.jitter", *jitter == new.drain.jitter),
            ("drain.close_code", *close == new.drain.close),
            ("log.level", log.level == new.log.level),
            ("tokens of [admin]", AdminPlan::same_credentials(admin, &new.admin)),
            ("[admin.tls]", AdminPlan::same_tls(admin, &new.admin)),
            ("log.mask_headers", mask.headers == new.server.mask.headers),
            ("log.mask_query", mask.query == new.server.mask.query),
        ]);
        (restart, live)
    }
}

// === impl RoutePlan ===

impl RoutePlan {
    /// The keys that another plan of the same route has otherwise, wherever they are written; and what that does.
    pub(crate) fn compare(&self, new: &Self) -> (Keys, Effect) {
        let Self {
            tenant: _,
            config,
            authenticators,
            behavior,
            instances,
            place: _,
            authenticators_place: _,
            behavior_place: _,
            shown_path: _,
        } = self;
        let RouteConfig {
            name: _,
            listeners,
            hosts,
            path,
            headers,
            origins,
            subprotocols,
            compression,
            limits,
            heartbeat,
            files,
        } = &**config;
        let RouteInstances { policy, hibernate_after, max_deaths } = instances;
        let (to, to_instances) = (&new.config, &new.instances);
        let mut keys = differing([
            ("listener", *listeners == to.listeners),
            ("host", *hosts == to.hosts),
            ("path", *path == to.path),
            ("headers", *headers == to.headers),
            ("allowed_origins", *origins == to.origins),
            ("subprotocols", *subprotocols == to.subprotocols),
            ("compression", *compression == to.compression),
            ("static", *files == to.files),
            ("authenticators", *authenticators == new.authenticators),
            ("behavior", *behavior == new.behavior),
            ("instance", *policy == to_instances.policy),
            ("hibernate_after", *hibernate_after == to_instances.hibernate_after),
            ("max_deaths", *max_deaths == to_instances.max_deaths),
            ("heartbeat.interval", heartbeat.interval() == to.heartbeat.interval()),
            ("heartbeat.message", heartbeat.payload() == to.heartbeat.payload()),
        ]);
        keys.extend(changed_limits(limits, &to.limits));
        let anew = keys.iter().any(|key| ["behavior", "instance"].contains(key));
        (keys, if anew { Effect::Anew } else { Effect::Settings })
    }
}

fn changed_limits(from: &ConnectionLimits, to: &ConnectionLimits) -> Keys {
    let ConnectionLimits {
        max_message_size,
        max_frame_size,
        max_fragments,
        max_inflated_ratio,
        control_frame_rate,
        messages_per_second,
        bytes_per_second,
        send_queue_max_bytes,
        slow_consumer,
        send_timeout,
        close_timeout,
        pong_timeout,
        idle_timeout,
        max_lifetime,
        max_connections,
    } = from;
    differing([
        ("limits.max_message_size", *max_message_size == to.max_message_size),
        ("limits.max_frame_size", *max_frame_size == to.max_frame_size),
        ("limits.max_fragments", *max_fragments == to.max_fragments),
        ("limits.max_inflated_ratio", *max_inflated_ratio == to.max_inflated_ratio),
        ("limits.control_frame_rate", *control_frame_rate == to.control_frame_rate),
        ("limits.messages_per_second", *messages_per_second == to.messages_per_second),
        ("limits.bytes_per_second", *bytes_per_second == to.bytes_per_second),
        ("limits.send_queue_max_bytes", *send_queue_max_bytes == to.send_queue_max_bytes),
        ("limits.slow_consumer", *slow_consumer == to.slow_consumer),
        ("send_timeout", *send_timeout == to.send_timeout),
        ("limits.close_timeout", *close_timeout == to.close_timeout),
        ("heartbeat.pong_timeout", *pong_timeout == to.pong_timeout),
        ("limits.idle_timeout", *idle_timeout == to.idle_timeout),
        ("limits.max_lifetime", *max_lifetime == to.max_lifetime),
        ("limits.max_connections", *max_connections == to.max_connections),
    ])
}

// === impl PluginPlan ===

impl PluginPlan {
    /// The keys that another plan of the same plugin has otherwise, wherever they are written.
    pub(crate) fn compare(&self, new: &Self) -> Keys {
        let Self {
            tenant: _,
            name: _,
            source,
            digest,
            upload,
            settings,
            timeout,
            wait_timeout,
            memory_max,
            host_call_bytes_max,
            stateless,
            recycle_calls,
            recycle_memory,
            saved_state_max,
            on_swap,
            load,
            grants,
            place: _,
        } = self;
        let origins = |grants: &Grants| grants.http.as_ref().map(|http| http.origins.clone());
        let private = |grants: &Grants| grants.http.as_ref().is_some_and(|http| http.private);
        differing([
            ("source", *source == new.source),
            ("digest", *digest == new.digest),
            ("upload", *upload == new.upload),
            ("settings", *settings == new.settings),
            ("timeout", *timeout == new.timeout),
            ("wait_timeout", *wait_timeout == new.wait_timeout),
            ("memory_max", *memory_max == new.memory_max),
            ("host_call_bytes_max", *host_call_bytes_max == new.host_call_bytes_max),
            ("stateless", *stateless == new.stateless),
            ("recycle_calls", *recycle_calls == new.recycle_calls),
            ("recycle_memory", *recycle_memory == new.recycle_memory),
            ("saved_state_max", *saved_state_max == new.saved_state_max),
            ("on_swap", *on_swap == new.on_swap),
            ("load", *load == new.load),
            ("grants.credentials", grants.credentials == new.grants.credentials),
            ("grants.http", origins(grants) == origins(&new.grants)),
            ("grants.http_private", private(grants) == private(&new.grants)),
            ("grants.keyvalue", grants.keyvalue == new.grants.keyvalue),
        ])
    }
}

/// The quotas that are not the same.
pub(crate) fn changed_quotas(from: &Quotas, to: &Quotas) -> Keys {
    let Quotas {
        connections,
        connection_rate,
        messages,
        bytes_per_second,
        topics,
        instances,
        memory,
        cpu,
        timers,
        log_lines,
        saved_state,
        keyvalue,
        http_requests,
    } = from;
    differing([
        ("max_connections", *connections == to.connections),
        ("connection_rate", *connection_rate == to.connection_rate),
        ("messages_per_second", *messages == to.messages),
        ("bytes_per_second", *bytes_per_second == to.bytes_per_second),
        ("max_topics", *topics == to.topics),
        ("max_instances", *instances == to.instances),
        ("max_memory", *memory == to.memory),
        ("cpu", *cpu == to.cpu),
        ("max_timers", *timers == to.timers),
        ("log_lines_per_second", *log_lines == to.log_lines),
        ("max_saved_state", *saved_state == to.saved_state),
        ("max_keyvalue", *keyvalue == to.keyvalue),
        ("max_http_requests", *http_requests == to.http_requests),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const BASE: &str = r#"
        [[route]]
        path = "/a"
        behavior = "p"
        [[route]]
        path_regex = "/b[0-9]"
        name = "b"
        behavior = "p"
        [plugin.p]
        source = "file:p.wasm"
    "#;

    fn parse(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.wasm"), "").unwrap();
        Config::parse(text, folder.path().join("a.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn changes(more: &str) -> (Keys, Keys) {
        let (from, to) = (parse(BASE), parse(&format!("{BASE}\n{more}")));
        (from.needs_restart(&to), from.changed_settings(&to))
    }

    #[test]
    fn what_a_restart_needs_is_named_and_the_rest_is_taken_over() {
        const NONE: [&str; 0] = [];
        for (more, key) in [
            ("[ops]\nbind = \"127.0.0.1:9\"", "ops.bind"),
            ("[admin]\nbind = \"unix:s\"", "[admin]"),
            ("[log]\nformat = \"json\"", "log.format"),
            ("[usage]\nfolder = \"u\"", "usage.folder"),
            ("[engine]\nmax_instances = 7", "engine.max_instances"),
            ("[grants]\nhttp_timeout = \"7s\"", "[grants]"),
            ("[grants]\nkeyvalue_dir = \"k\"", "[grants]"),
            ("[trace]\nendpoint = \"http://127.0.0.1:9\"", "[trace]"),
        ] {
            assert_eq!(changes(more).0[0], key);
            assert_eq!(changes(more).1, NONE, "{more}");
        }
        for (more, key) in [
            ("[limits]\nmax_connections = 7", "limits.max_connections"),
            ("[limits]\nmax_headers = 7", "limits.max_headers"),
            ("[drain]\nbatch = 7", "drain.batch"),
            ("[log]\nmask_query = []", "log.mask_query"),
            ("[log]\nlevel = \"debug\"", "log.level"),
        ] {
            assert_eq!(changes(more), (vec![], vec![key]));
        }
        for more in ["[quotas]\nmax_topics = 7", "[[listener]]\nbind = \":9\"", "[plugin.q]\nsource = \"file:p.wasm\""]
        {
            assert_eq!(changes(more), (vec![], vec![]), "{more}");
        }
    }

    #[test]
    fn a_route_is_compared_key_by_key() {
        let compare = |more: &str| {
            let route = |text: &str| parse(text).routes.swap_remove(0);
            let changed = BASE.replacen("path = \"/a\"", &format!("path = \"/a\"\nname = \"a\"\n{more}"), 1);
            route(BASE).compare(&route(&changed))
        };
        assert_eq!(compare(""), (vec![], Effect::Settings));
        for (more, key, effect) in [
            ("limits.max_message_size = \"1KiB\"", "limits.max_message_size", Effect::Settings),
            ("heartbeat.interval = \"5s\"", "heartbeat.interval", Effect::Settings),
            ("heartbeat.pong_timeout = \"5s\"", "heartbeat.pong_timeout", Effect::Settings),
            ("host = \"a.example\"", "host", Effect::Settings),
            ("compression = true", "compression", Effect::Settings),
            ("hibernate_after = \"1s\"", "hibernate_after", Effect::Settings),
            ("send_timeout = \"1s\"", "send_timeout", Effect::Settings),
            ("instance = \"shared\"", "instance", Effect::Anew),
        ] {
            let (keys, what) = compare(more);
            assert!(keys.contains(&key) && what == effect, "{more}: {keys:?}");
        }
    }
}
