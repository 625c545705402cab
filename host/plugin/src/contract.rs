//! Compares what a component imports and exports with what this host serves, and says what to do about differences.

use crate::{grants::Grant, precheck::Item};

/// The package of the contract.
const PACKAGE: &str = "socklet:plugin";
/// The track of the contract.
const TRACK: &str = "0.1";

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It decides who may connect.
    Authenticator,
    /// It decides what a connection does.
    Behavior,
}

/// Something that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Import {
    /// Its full name.
    pub name: String,
    /// Whether the host has it.
    pub status: ImportStatus,
}

/// Whether the host has an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStatus {
    /// Always there.
    Provided,
    /// Only there when the operator grants it.
    NeedsGrant(Grant),
    /// Not there.
    Unknown,
}

/// The parts of an interface's name, `package/interface@version`.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<&'a str>,
}

/// The kind of a plugin, and what is wrong with its exports.
pub(crate) fn exports(exports: &[Item]) -> (Option<Kind>, Vec<String>) {
    let mut problems = Vec::new();
    let mut kinds = Vec::new();
    let mut optional = None;
    for item in exports {
        let Some(name) = Name::parse(&item.name).filter(|name| name.package == PACKAGE) else { continue };
        if !on_track(name.version) {
            problems.push(format!(
                "it exports {}, this host serves {PACKAGE}@{TRACK}: build it against that version",
                item.name
            ));
            continue;
        }
        match name.interface {
            "authenticator" => kinds.push(Kind::Authenticator),
            "behavior" => kinds.push(Kind::Behavior),
            "frames" | "state" | "timer-events" => optional = Some(&item.name),
            _ => {}
        }
    }
    if let ([Kind::Authenticator], Some(optional)) = (&kinds[..], optional) {
        problems.push(format!("it exports {optional}, but an authenticator has no connections: leave it out"));
    }
    match kinds[..] {
        [kind] => return (Some(kind), problems),
        [] if problems.is_empty() => problems.push(missing(exports)),
        [] => {}
        _ => problems.push("it exports both authenticator and behavior: make two components, one for each".to_owned()),
    }
    (None, problems)
}

/// The interfaces of the contract among the exports: what the host calls.
pub(crate) fn hooks(exports: &[Item]) -> Vec<String> {
    let names = exports.iter().filter_map(|item| Name::parse(&item.name));
    let ours = names.filter(|name| name.package == PACKAGE && on_track(name.version));
    ours.map(|name| name.interface.to_owned()).collect()
}

fn missing(exports: &[Item]) -> String {
    let wanted = format!("{PACKAGE}/authenticator@{TRACK}.0 or {PACKAGE}/behavior@{TRACK}.0");
    if exports.iter().any(|item| item.name.starts_with("wasi:cli/run")) {
        return format!("it exports wasi:cli/run, so it is a program: build a library that exports {wanted}");
    }
    if exports.iter().any(|item| item.name.starts_with("wasi:http/incoming-handler")) {
        return format!("it exports wasi:http/incoming-handler, so it serves HTTP: a plugin exports {wanted}");
    }
    let names: Vec<_> = exports.iter().map(|item| item.name.as_str()).collect();
    let has = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!("it exports {has}, but not {wanted}: build it for the world authenticator-plugin or behavior-plugin")
}

/// What a component imports, and what is wrong with that for a plugin of this kind.
pub(crate) fn imports(imports: &[Item], kind: Option<Kind>) -> (Vec<Import>, Vec<String>) {
    let mut problems = Vec::new();
    let imports = imports.iter().map(|item| {
        let (status, problem) = import(item, kind);
        problems.extend(problem.map(|problem| format!("it imports {}, {problem}", item.name)));
        Import { name: item.name.clone(), status }
    });
    (imports.collect(), problems)
}

fn import(item: &Item, kind: Option<Kind>) -> (ImportStatus, Option<String>) {
    use ImportStatus::{NeedsGrant, Provided, Unknown};
    let name = match Name::parse(&item.name) {
        Some(name) if item.kind == "interface" => name,
        _ => {
            let problem = format!("a {} of its own: plugins import interfaces only, see wit/v0.1", item.kind);
            return (Unknown, Some(problem));
        }
    };
    match (name.package, name.interface) {
        (PACKAGE, _) if !on_track(name.version) => {
            (Unknown, Some(format!("this host serves {PACKAGE}@{TRACK}: build it against that version")))
        }
        (PACKAGE, "types" | "logging") => (Provided, None),
        (PACKAGE, "connections" | "topics" | "heartbeat" | "timers" | "frames")
            if kind == Some(Kind::Authenticator) =>
        {
            (Unknown, Some("but an authenticator has no connections: leave it out, or make a behavior".into()))
        }
        // Of `frames` only the types: `connections` uses the opcodes of `frames`.
        (PACKAGE, "connections" | "topics" | "heartbeat" | "timers" | "frames") => (Provided, None),
        ("wasi:config", "store") if name.version == Some("0.2.0-rc.1") => (Provided, None),
        ("wasi:config", "store") => (Unknown, Some("this host serves version 0.2.0-rc.1: see wit/v0.1/deps".into())),
        ("wasi:http", "outgoing-handler" | "types") if !is_wasi_02(name.version) => {
            (Unknown, Some("this host serves WASI 0.2: build it for wasm32-wasip2 or its like".into()))
        }
        ("wasi:http", "outgoing-handler") => (NeedsGrant(Grant::Http), None),
        // What HTTP is made of reaches nothing.
        ("wasi:http", "types") => (Provided, None),
        ("wasi:keyvalue", "store" | "atomics" | "batch") if name.version == Some("0.2.0-draft") => {
            (NeedsGrant(Grant::Keyvalue), None)
        }
        ("wasi:keyvalue", "store" | "atomics" | "batch") => {
            (Unknown, Some("this host serves version 0.2.0-draft: see wit/v0.1/deps".into()))
        }
        ("wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" | "wasi:sockets", _) => {
            match is_wasi_02(name.version) {
                true => (Provided, None),
                false => (Unknown, Some("this host serves WASI 0.2: build it for wasm32-wasip2 or its like".into())),
            }
        }
        _ => (
            Unknown,
            Some("which this host does not have: build it without, see wit/v0.1/host.wit for what is there".into()),
        ),
    }
}

fn is_wasi_02(version: Option<&str>) -> bool {
    version.is_some_and(|version| version.starts_with("0.2."))
}

fn on_track(version: Option<&str>) -> bool {
    version.and_then(|version| version.strip_prefix(TRACK)).is_some_and(|rest| rest.starts_with('.'))
}

// === impl Kind ===

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authenticator => "authenticator",
            Self::Behavior => "behavior",
        }
    }

    /// With its article.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Authenticator => "an authenticator",
            Self::Behavior => "a behavior",
        }
    }
}

// === impl ImportStatus ===

impl ImportStatus {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provided => "provided",
            Self::NeedsGrant(_) => "needs-grant",
            Self::Unknown => "unknown",
        }
    }
}

impl serde::Serialize for ImportStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// === impl Name ===

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/')?;
        package.contains(':').then_some(Self { package, interface, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<Item> {
        names.iter().map(|name| Item { name: (*name).to_owned(), kind: "interface" }).collect()
    }

    #[test]
    fn the_export_decides_the_kind() {
        let (kind, problems) = exports(&items(&["socklet:plugin/behavior@0.1.0", "some:other/thing@1.0.0"]));
        assert_eq!((kind, problems.len()), (Some(Kind::Behavior), 0));
        let (kind, problems) = exports(&items(&["socklet:plugin/authenticator@0.1.7"]));
        assert_eq!((kind, problems.len()), (Some(Kind::Authenticator), 0));
        let (kind, problems) = exports(&items(&["socklet:plugin/frames@0.1.0", "socklet:plugin/behavior@0.1.0"]));
        assert_eq!((kind, problems.len()), (Some(Kind::Behavior), 0));
    }

    #[test]
    fn wrong_exports_are_named() {
        for (names, word) in [
            (&["socklet:plugin/behavior@0.2.0"][..], "behavior@0.2.0"),
            (&["socklet:plugin/behavior@0.1.0", "socklet:plugin/authenticator@0.1.0"], "both"),
            (&["socklet:plugin/authenticator@0.1.0", "socklet:plugin/frames@0.1.0"], "no connections"),
            (&["socklet:plugin/authenticator@0.1.0", "socklet:plugin/state@0.1.0"], "no connections"),
            (&["socklet:plugin/frames@0.1.0"], "behavior@0.1.0"),
            (&["socklet:plugin/behavior@0.1.0", "socklet:plugin/frames@0.3.0"], "frames@0.3.0"),
            (&["wasi:cli/run@0.2.6"], "program"),
            (&[], "nothing"),
            (&["a:b/c"], "a:b/c"),
        ] {
            let (_, problems) = exports(&items(names));
            assert_eq!(problems.len(), 1, "{names:?}");
            assert!(problems[0].contains(word), "{}", problems[0]);
        }
    }

    #[test]
    fn imports_are_judged_by_kind() {
        let status = |name: &str, kind| import(&items(&[name])[0], Some(kind)).0;
        let behavior = |name| status(name, Kind::Behavior);
        assert_eq!(behavior("socklet:plugin/connections@0.1.0"), ImportStatus::Provided);
        assert_eq!(status("socklet:plugin/connections@0.1.0", Kind::Authenticator), ImportStatus::Unknown);
        assert_eq!(behavior("socklet:plugin/connections@0.3.0"), ImportStatus::Unknown);
        assert_eq!(behavior("socklet:plugin/timers@0.1.0"), ImportStatus::Provided);
        assert_eq!(behavior("wasi:http/outgoing-handler@0.2.6"), ImportStatus::NeedsGrant(Grant::Http));
        assert_eq!(behavior("wasi:http/types@0.2.6"), ImportStatus::Provided);
        assert_eq!(behavior("wasi:http/outgoing-handler@0.3.0"), ImportStatus::Unknown);
        assert_eq!(behavior("wasi:http/incoming-handler@0.2.6"), ImportStatus::Unknown);
        for interface in ["store", "atomics", "batch"] {
            let name = format!("wasi:keyvalue/{interface}@0.2.0-draft");
            assert_eq!(status(&name, Kind::Authenticator), ImportStatus::NeedsGrant(Grant::Keyvalue));
        }
        assert_eq!(behavior("wasi:keyvalue/watcher@0.2.0-draft"), ImportStatus::Unknown);
        assert_eq!(behavior("wasi:keyvalue/store@0.2.0-draft2"), ImportStatus::Unknown);
        assert_eq!(behavior("wasi:io/streams@0.2.6"), ImportStatus::Provided);
        assert_eq!(behavior("wasi:cli/stdout@0.3.0"), ImportStatus::Unknown);
        assert_eq!(behavior("wasi:config/store@0.2.0-rc.1"), ImportStatus::Provided);
        assert_eq!(behavior("acme:db/query@1.0.0"), ImportStatus::Unknown);
        let function = Item { name: "acme:db/query@1.0.0".into(), kind: "function" };
        assert_eq!(import(&function, None).0, ImportStatus::Unknown);
    }
}
