//! Who may depend on whom (host/ARCHITECTURE.md), as the manifests say it.

use crate::repository::{none, root};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// Our crates, and which of ours each may name.
const EDGES: &[(&str, &[&str])] = &[
    ("socklet-core", &[]),
    ("socklet-author", &[]),
    ("socklet-server", &["socklet-core"]),
    ("socklet-plugin", &["socklet-core"]),
    ("socklet-test", &["socklet-core", "socklet-plugin"]),
    ("socklet", &["socklet-author", "socklet-core", "socklet-plugin", "socklet-server", "socklet-test"]),
    ("socklet-tests", &["socklet", "socklet-core", "socklet-plugin", "socklet-server", "socklet-test"]),
];

/// Foreign crates that belong to a layer: what their names begin with, and who may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("wasm", &["socklet-plugin", "socklet-author"]),
    ("wit-", &["socklet-plugin", "socklet-author"]),
    ("cranelift", &["socklet-plugin"]),
    ("tokio-tungstenite", &["socklet-server", "socklet-tests"]),
    ("tungstenite", &["socklet-server", "socklet-tests"]),
    // The second for the listeners of operators, and for the commands that ask one; the third for requests that plugins are granted.
    ("hyper", &["socklet-server", "socklet", "socklet-plugin"]),
    ("tower", &["socklet-server"]),
    ("clap", &["socklet"]),
    ("toml", &["socklet", "socklet-author", "socklet-test", "socklet-tests"]),
];

/// A crate of a workspace and what it names, for whatever kind of target.
#[derive(Debug)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    path: Option<String>,
}

fn packages(manifest: &str) -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1", "--manifest-path", manifest])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{manifest}: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |package: &Value| Package {
        name: text(&package["name"]).unwrap(),
        dependencies: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| Dependency { name: text(&dependency["name"]).unwrap(), path: text(&dependency["path"]) })
            .collect(),
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// What is wrong with the crates of the host's workspace.
fn host(packages: &[Package]) -> Vec<String> {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = edges.get(name) else {
            violations.push(format!("{name} is not drawn in host/ARCHITECTURE.md and not listed here"));
            continue;
        };
        for dependency in &package.dependencies {
            let on = dependency.name.as_str();
            if dependency.path.is_some() && !allowed.contains(&on) {
                violations.push(format!("{name} depends on {on}"));
            }
            for (prefix, owners) in OWNERS {
                if on.starts_with(prefix) && !owners.contains(&name) {
                    violations.push(format!("{name} names {on}, which belongs to {}", owners.join(" and ")));
                }
            }
        }
    }
    violations
}

/// What is wrong with the crates of a workspace of plugins: the SDK is all that they know of ours.
fn plugins(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        for Dependency { name, path } in &package.dependencies {
            let sdk = path.as_ref().is_some_and(|path| *path == root().join("plugins/sdk-rust").display().to_string());
            if (name.starts_with("socklet") || path.is_some()) && !(name == "socklet-sdk" && sdk) {
                violations.push(format!("{} depends on {name}", package.name));
            }
        }
    }
    violations
}

#[test]
fn crates_depend_on_what_is_drawn() {
    let packages = packages("Cargo.toml");
    let mut names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut drawn: Vec<_> = EDGES.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    drawn.sort_unstable();
    assert_eq!(names, drawn);
    none(&host(&packages));
}

#[test]
fn plugins_know_the_sdk_and_nothing_of_the_host() {
    for manifest in ["plugins/Cargo.toml", "tests/guests/Cargo.toml"] {
        let packages = packages(manifest);
        assert!(packages.iter().any(|package| package.dependencies.iter().any(|on| on.name == "socklet-sdk")));
        none(&plugins(&packages));
    }
}

#[test]
fn a_forbidden_edge_is_noticed() {
    let package = |name: &str, on: &str, path: Option<&str>| {
        let path = path.map(str::to_owned);
        vec![Package { name: name.into(), dependencies: vec![Dependency { name: on.into(), path }] }]
    };
    let path = Some("/somewhere");
    assert_eq!(host(&package("socklet-server", "socklet-plugin", path)), ["socklet-server depends on socklet-plugin"]);
    assert_eq!(host(&package("socklet-core", "tokio", None)), [""; 0]);
    assert_eq!(host(&package("socklet", "wasmtime-wasi", None)).len(), 1);
    assert_eq!(host(&package("socklet-cli", "bytes", None)).len(), 1);
    assert_eq!(plugins(&package("echo", "socklet-core", path)), ["echo depends on socklet-core"]);
    assert_eq!(plugins(&package("echo", "socklet-sdk", None)).len(), 1, "not ours of that name");
}
