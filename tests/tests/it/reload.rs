//! A configuration that is read again: plugins are swapped, all of them or none, and nothing else is changed.

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
async fn what_is_not_of_plugins_needs_a_restart() {
    let server = start().await;
    let added = "[[route]]\npath = \"/new\"\nbehavior = \"new\"\n[plugin.new]\nsource = \"guest:versioned\"\n";
    let more = format!(
        "{added}[limits]\nmax_message_size = \"1KiB\"\nmax_connections = 9\n[log]\nlevel = \"debug\"\n[drain]\nbatch = 7\n"
    );
    server.configure(&config("two", &more));
    server.reload("failed").await;
    for problem in [
        "[limits] was changed",
        "[log] was changed",
        "[drain] was changed",
        "the route default/main was changed",
        "the route default/new was added",
        "the plugin new was added",
    ] {
        server.until_log(&format!("{problem}, which needs a restart")).await;
    }
    server.configure("[plugin.other]\nsource = \"guest:versioned\"\n");
    server.reload("failed").await;
    for problem in ["the route default/other was removed", "the plugin main was removed"] {
        server.until_log(problem).await;
    }
    assert_eq!(server.open("/main").await.ask("a").await, "one 1");
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
