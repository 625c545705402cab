//! A configuration that is read again: all of it is taken over, or nothing.

use socklet_tests::{Process, guest, marked};
use std::fs;

/// A route with the component `main.wasm`, and one with the guest `versioned`.
fn config(version: &str, more: &str) -> String {
    format!(
        r#"
        [[route]]
        path = "/main"
        behavior = "main"
        [plugin.main]
        source = "file:main.wasm"
        settings = {{ version = "{version}" }}
        [[route]]
        path = "/other"
        behavior = "other"
        [plugin.other]
        source = "guest:versioned"
        settings = {{ version = "{version}" }}
        {more}
        "#
    )
}

async fn start() -> Process {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(guest("versioned"), folder.path().join("main.wasm")).unwrap();
    Process::start_in(folder, &config("one", "")).await
}

fn component(server: &Process, bytes: &[u8]) {
    fs::write(server.folder().join("main.wasm"), bytes).unwrap();
}

async fn version(server: &Process, plugin: &str) -> f64 {
    server.metric(&format!("socklet_plugin_version{{plugin=\"{plugin}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_component_takes_over_and_connections_stay() {
    let server = start().await;
    let (mut client, mut other) = (server.open("/main").await, server.open("/other").await);
    assert_eq!((client.ask("a").await, other.ask("a").await), ("one 1".into(), "one 1".into()));
    server.reload("ok").await;
    assert_eq!(version(&server, "main").await, 1.0, "nothing was changed");
    component(&server, &marked(&guest("versioned"), 1));
    server.reload("ok").await;
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 1.0).await;
    assert_eq!((version(&server, "main").await, version(&server, "other").await), (2.0, 1.0));
    assert_eq!((client.ask("b").await, other.ask("b").await), ("one 2".into(), "one 2".into()));
    server.reload_with(&config("two", "")).await;
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 3.0).await;
    assert_eq!((version(&server, "main").await, version(&server, "other").await), (3.0, 2.0));
    assert_eq!((client.ask("c").await, other.ask("c").await), ("two 3".into(), "two 3".into()));
    let calls = "socklet_plugin_calls_total{hook=\"load\",outcome=\"ok\"}";
    assert_eq!(server.metric(calls).await, 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_does_not_load_changes_nothing() {
    let server = start().await;
    let mut client = server.open("/main").await;
    for (guest_name, said) in
        [("no_exports", "exports"), ("start_trap", "cannot be started"), ("auth_versioned", "another name")]
    {
        component(&server, &fs::read(guest(guest_name)).unwrap());
        server.configure(&config("two", ""));
        server.reload("failed").await;
        let log = server.until_log(said).await;
        let problem = log.lines().find(|line| line.contains(said)).unwrap();
        assert!(
            problem.contains("problem of the configuration") && problem.contains("plugin.main.source"),
            "{problem}"
        );
    }
    component(&server, b"not a component");
    server.reload("failed").await;
    server.until_log("not a component").await;
    // Not even the other one, which would load.
    assert_eq!((version(&server, "main").await, version(&server, "other").await), (1.0, 1.0));
    assert_eq!(client.ask("a").await, "one 1");
    assert_eq!(server.open("/other").await.ask("a").await, "one 1");
    assert_eq!(server.metric("socklet_plugin_swaps_total{outcome=\"ok\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_restart_can_change_is_named_and_nothing_else_is_changed() {
    let server = start().await;
    let more =
        "[[route]]\npath = \"/new\"\nbehavior = \"other\"\n[log]\nformat = \"json\"\n[usage]\nfolder = \"usage\"\n";
    server.configure(&format!("workers = 7\n[engine]\nguest_threads = 7\n{}", config("two", more)));
    server.reload("failed").await;
    for key in ["workers", "engine.guest_threads", "log.format", "usage.folder"] {
        server.until_log(&format!("{key} was changed, which needs a restart")).await;
    }
    assert_eq!(server.open("/main").await.ask("a").await, "one 1");
    assert_eq!(server.get("/new").await.status, 404);
    // Where a thing is written does not matter.
    server
        .reload_with(&format!(
            "[plugin.other.grants]\ncredentials = false\n{}",
            config("two", "").replace("[[route]]", "\n[[route]]")
        ))
        .await;
    assert_eq!(server.open("/main").await.ask("a").await, "two 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_with_mistakes_changes_nothing() {
    let server = start().await;
    server.configure(&config("two", "[log]\nlevle = \"info\"\n[drain]\ntimeout = 3\n"));
    server.reload("failed").await;
    for problem in ["log.levle: unknown key", "drain.timeout = 3: expected a duration", "nothing was changed"] {
        server.until_log(problem).await;
    }
    fs::remove_file(server.folder().join("socklet.toml")).unwrap();
    server.reload("failed").await;
    assert_eq!(server.open("/main").await.ask("a").await, "one 1");
    server.reload_with(&config("two", "")).await;
    assert_eq!(server.open("/main").await.ask("a").await, "two 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_without_a_configuration_is_reloaded_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("plugin.wasm");
    fs::copy(guest("versioned"), &plugin).unwrap();
    let server = Process::run(&[plugin.to_str().unwrap(), "--setting", "version=one"]).await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");
    fs::write(&plugin, marked(&guest("versioned"), 1)).unwrap();
    server.reload("ok").await;
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 1.0).await;
    assert_eq!(client.ask("b").await, "one 2");
}
