//! What differs between two configurations and only a restart can change: everything but what the plugins are.

use super::{AdminPlan, Config, RoutePlan};
use socklet_server::{ListenerConfig, ServerConfig};

/// The most that is said of one kind of thing.
const SHOWN: usize = 20;

impl Config {
    /// What another configuration has that a running server of this one cannot take over, for people.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<String> {
        // Every part is named, so that one that is new is not forgotten here.
        // Where a certificate is written does not matter, and what is in its files may change.
        let Self {
            server,
            listeners,
            certificates: _,
            tenants,
            routes,
            plugins,
            engine,
            drain,
            ops,
            admin,
            usage,
            log,
            origin: _,
        } = self;
        let mut changes = Vec::new();
        // The rest of it is a section of its own; what is masked belongs to the log.
        let limits = ServerConfig { workers: new.server.workers, mask: new.server.mask.clone(), ..server.clone() };
        for (name, same) in [
            ("workers", server.workers == new.server.workers),
            ("[limits]", limits == new.server),
            ("[quotas] or [tenant.NAME]", *tenants == new.tenants),
            ("[engine]", *engine == new.engine),
            ("[drain]", *drain == new.drain),
            ("[ops]", *ops == new.ops),
            ("[admin]", !AdminPlan::needs_restart(admin, &new.admin)),
            ("[usage]", *usage == new.usage),
            ("[log]", *log == new.log),
        ] {
            if !same {
                changes.push(format!("{name} was changed"));
            }
        }
        // A listener stays, whatever its TLS is like; it has some, or it has none.
        let same = |one: &ListenerConfig, other: &ListenerConfig| {
            one.bind == other.bind
                && one.tls.is_some() == other.tls.is_some()
                && one.edge == other.edge
                && one.reuse_port == other.reuse_port
        };
        compare(&mut changes, "listener", listeners, &new.listeners, |listener| listener.name.to_string(), same);
        compare(&mut changes, "route", routes, &new.routes, RoutePlan::full_name, RoutePlan::is_same);
        compare(&mut changes, "plugin", plugins, &new.plugins, |plugin| plugin.name.to_string(), |_, _| true);
        changes
    }
}

/// Notes what was added, removed, changed or moved.
fn compare<T>(
    changes: &mut Vec<String>,
    what: &str,
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> String,
    same: impl Fn(&T, &T) -> bool,
) {
    let names = |things: &[T]| things.iter().map(&name).collect::<Vec<_>>();
    let (old_names, new_names) = (names(old), names(new));
    let mut found = Vec::new();
    for (thing, name) in old.iter().zip(&old_names) {
        match new_names.iter().position(|other| other == name) {
            None => found.push(format!("the {what} {name} was removed")),
            Some(index) if !same(thing, &new[index]) => found.push(format!("the {what} {name} was changed")),
            Some(_) => {}
        }
    }
    let added = new_names.iter().filter(|name| !old_names.contains(name));
    found.extend(added.map(|name| format!("the {what} {name} was added")));
    // Where routes have regular expressions, the first one wins.
    if found.is_empty() && what == "route" && old_names != new_names {
        found.push("the order of routes was changed".to_owned());
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("and {more} more of this kind"));
    }
    changes.append(&mut found);
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

    fn changes(from: &str, to: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.wasm"), "").unwrap();
        let parse = |text: &str| Config::parse(text, folder.path().join("a.toml")).unwrap();
        parse(from).needs_restart(&parse(to))
    }

    #[test]
    fn what_plugins_are_may_change() {
        let lower =
            format!("# one more line\n{}", BASE.replace("source", "settings = { a = 1 }\ntimeout = \"1s\"\nsource"));
        assert_eq!(changes(BASE, &lower), [""; 0]);
        let explicit = format!("send_timeout = \"30s\"\n{BASE}\n[drain]\nbatch = 500\n[log]\nlevel = \"info\"\n");
        assert_eq!(changes(BASE, &explicit), [""; 0]);
    }

    #[test]
    fn everything_else_is_named() {
        for (more, change) in [
            ("[limits]\nmax_connections = 7", "[limits] was changed"),
            ("[engine]\nmax_instances = 7", "[engine] was changed"),
            ("[quotas]\nmax_topics = 7", "[quotas] or [tenant.NAME] was changed"),
            ("[tenant.default]\nmax_topics = 7", "[quotas] or [tenant.NAME] was changed"),
            ("[drain]\nbatch = 7", "[drain] was changed"),
            ("[ops]\nbind = \"127.0.0.1:9\"", "[ops] was changed"),
            ("[admin]\nbind = \"unix:s\"", "[admin] was changed"),
            ("[log]\nmask_query = []", "[log] was changed"),
            ("[[listener]]\nbind = \":9\"", "the listener default was changed"),
            ("[[listener]]\nreuse_port = true", "the listener default was changed"),
            (
                "[[listener]]\nreal_ip_header = \"x-real-ip\"\ntrusted_proxies = \"10.0.0.1\"",
                "the listener default was changed",
            ),
            ("[[route]]\npath = \"/c\"\nbehavior = \"p\"", "the route default/c was added"),
            ("[plugin.q]\nsource = \"file:p.wasm\"", "the plugin q was added"),
        ] {
            assert_eq!(changes(BASE, &format!("{BASE}\n{more}")), [change]);
        }
        assert_eq!(changes(BASE, &format!("workers = 7\n{BASE}")), ["workers was changed"]);
        let limits = format!("{BASE}\n[limits]\nmax_message_size = \"1KiB\"");
        assert_eq!(changes(BASE, &limits), ["the route default/a was changed", "the route default/b was changed"]);
        assert_eq!(changes(BASE, &BASE.replace("path_regex", "path")), ["the route default/b was changed"]);
        let (a, b) = ("path = \"/a\"", "path_regex = \"/b[0-9]\"\n        name = \"b\"");
        let swapped = BASE.replace(a, "A").replace(b, a).replace('A', b);
        assert_eq!(changes(BASE, &swapped), ["the order of routes was changed"]);
        let gone = BASE.replace(a, "path = \"/c\"");
        assert_eq!(changes(BASE, &gone), ["the route default/a was removed", "the route default/c was added"]);
    }
}
