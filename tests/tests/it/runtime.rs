//! Listeners, routes, plugins and limits that come, go and change while others are connected.

use serde_json::{Value, json};
use socklet_server::Bind;
use socklet_tests::{Client, Connect, Process, command, eventually, finished};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tokio::task::JoinHandle;

/// A connection that is never at rest.
struct Busy {
    over: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Busy {
    fn new(mut client: Client) -> Self {
        let over = Arc::<AtomicBool>::default();
        let task = tokio::spawn({
            let over = over.clone();
            async move {
                let mut echoes = 0;
                while !over.load(SeqCst) {
                    assert_eq!(client.ask(&echoes.to_string()).await, echoes.to_string());
                    echoes += 1;
                }
                client.close(1000, "").await;
                echoes
            }
        });
        Self { over, task }
    }

    /// Nothing was lost, and nobody closed it.
    async fn was_never_disturbed(self) {
        self.over.store(true, SeqCst);
        assert!(self.task.await.unwrap() > 0);
    }
}

fn unix(server: &Process, name: &str) -> Bind {
    Bind::Unix(server.folder().join(name))
}

/// What `socklet` answers in JSON.
async fn asked(server: &Process, arguments: &[&str]) -> Value {
    let (code, out, err) = server.command(&[arguments, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

const PLUGINS: &str = r#"
    [admin]
    bind = "unix:admin.sock"
    [plugin.echo]
    source = "stock:echo"
"#;

fn before() -> String {
    format!(
        r#"
        [[listener]]
        name = "main"
        bind = "127.0.0.1:0"
        [[listener]]
        name = "old"
        bind = "unix:old.sock"
        [[route]]
        path = "/stays"
        behavior = "echo"
        [[route]]
        path = "/changes"
        behavior = "echo"
        [[route]]
        path = "/goes"
        behavior = "echo"
        [[route]]
        path = "/anew"
        behavior = "echo"
        {PLUGINS}
        "#
    )
}

fn after() -> String {
    format!(
        r#"
        [[listener]]
        name = "main"
        bind = "127.0.0.1:0"
        [[listener]]
        name = "new"
        bind = "unix:new.sock"
        [[route]]
        path = "/stays"
        behavior = "echo"
        [[route]]
        path = "/changes"
        behavior = "echo"
        limits.max_message_size = "8B"
        [[route]]
        path = "/anew"
        behavior = "echo"
        instance = "shared"
        [[route]]
        tenant = "acme"
        path = "/comes"
        listener = "new"
        behavior = "more"
        {PLUGINS}
        [plugin.more]
        source = "stock:echo"
        [limits]
        max_connections = 999
        "#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_changes_at_once_and_what_stays_does_not_notice() {
    let server = Process::start(&before()).await;
    let busy = [Busy::new(server.open("/stays").await), Busy::new(server.open("/stays").await)];
    let mut changes = server.open("/changes").await;
    assert_eq!(changes.ask("more than 8 bytes").await, "more than 8 bytes");
    let (mut goes, mut anew) = (server.open("/goes").await, server.open("/anew").await);
    let mut by_old = Connect::new(&unix(&server, "old.sock"), "/stays").open().await;
    for client in [&mut goes, &mut anew, &mut by_old] {
        assert_eq!(client.ask("a").await, "a");
    }

    server.configure(&after());
    let entry = |name: &str, change: &str, keys: &[&str], closes: usize| json!({ "name": name, "change": change, "keys": keys, "closes": closes, "version": null });
    let expected = |dry_run: bool, generation: u64| {
        json!({
            "dry_run": dry_run,
            "generation": generation,
            "listeners": [entry("old", "removed", &[], 1), entry("new", "added", &[], 0)],
            "tenants": [entry("acme", "added", &[], 0)],
            "routes": [
                entry("acme/comes", "added", &[], 0),
                entry("default/changes", "changed", &["limits.max_message_size", "limits.max_frame_size"], 0),
                entry("default/anew", "changed", &["instance"], 1),
                entry("default/goes", "removed", &[], 1),
            ],
            "plugins": [entry("more", "added", &[], 0)],
            "settings": ["limits.max_connections"],
            "closes": { "1001": 2, "1012": 1 },
        })
    };
    assert_eq!(asked(&server, &["reload", "--dry-run"]).await, expected(true, 1));
    assert!(!server.folder().join("new.sock").exists());
    assert_eq!(goes.ask("still here").await, "still here");
    assert_eq!(asked(&server, &["reload"]).await, expected(false, 2));

    assert_eq!(goes.expect_close(1001).await, "route removed");
    assert_eq!(anew.expect_close(1012).await, "route changed");
    assert_eq!(by_old.expect_close(1001).await, "listener stopped");
    eventually("the old socket's file is gone", async || !server.folder().join("old.sock").exists()).await;
    // Limits hold for who is there, too.
    changes.send("more than 8 bytes").await;
    changes.expect_close(1009).await;
    assert_eq!(server.get("/goes").await.status, 404);
    assert_eq!(server.open("/anew").await.ask("b").await, "b");
    assert_eq!(Connect::new(&unix(&server, "new.sock"), "/comes").open().await.ask("c").await, "c");
    assert_eq!(server.get("/comes").await.status, 404, "only the new listener serves it");
    server.until_metric("socklet_plugin_calls_total{hook=\"on-close\",outcome=\"ok\"}", 6.0).await;

    // There and back again.
    server.reload_with(&before()).await;
    assert_eq!(server.open("/goes").await.ask("d").await, "d");
    assert_eq!(asked(&server, &["reload"]).await["routes"], json!([]));
    for busy in busy {
        busy.was_never_disturbed().await;
    }
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_goes_and_comes_back_with_its_routes() {
    let server = Process::start(&format!("[[route]]\npath = '/'\nbehavior = 'echo'\n{PLUGINS}")).await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "a");
    let other = "[[route]]\npath = '/'\nbehavior = 'other'\n[plugin.other]\nsource = 'guest:versioned'\nsettings = { version = 'x' }\n";
    server.reload_with(&format!("{other}[admin]\nbind = 'unix:admin.sock'\n")).await;
    assert_eq!(client.expect_close(1012).await, "route changed");
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "x 1");
    assert!(!server.metrics().await.text().contains("plugin=\"echo\""));
    server.reload_with(&format!("[[route]]\npath = '/'\nbehavior = 'echo'\n{PLUGINS}")).await;
    client.expect_close(1012).await;
    assert_eq!(server.open("/").await.ask("b").await, "b");
    let plugins = asked(&server, &["plugin", "ls"]).await;
    assert_eq!(plugins["plugins"].as_array().unwrap().len(), 1, "{plugins}");
}

/// Ten mistakes of ten kinds, and what each is called.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_with_ten_mistakes_names_ten_and_changes_nothing() {
    let server = Process::start(&before()).await;
    let busy = Busy::new(server.open("/stays").await);
    fs::write(server.folder().join("bad.wasm"), "not a component").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!(
        r#"
[[listener]]
name = "main"
bind = "127.0.0.1:0"
[[listener]]
name = "taken"
bind = "{address}"
[[route]]
path = "/stays"
behaviour = "echo"
behavior = "echoes"
[[route]]
path = "no-slash"
behavior = "echo"
[[route]]
path = "/a"
behavior = "echo"
listener = "nowhere"
[[route]]
path = "/b"
behavior = "echo"
limits.max_message_size = "64KB"
[limits]
max_connections = 0
[log]
levle = "info"
[drain]
timeout = 3
[plugin.bad]
source = "file:bad.wasm"
{PLUGINS}
"#
    );
    let expected = [
        "socklet.toml:7: listener.bind: failed to bind listener taken",
        "socklet.toml:10: route.behaviour: unknown key, did you mean behavior?",
        "socklet.toml:11: route.behavior = \"echoes\": unknown plugin echoes",
        "socklet.toml:13: route.path = \"no-slash\"",
        "socklet.toml:18: route.listener = \"nowhere\": unknown listener nowhere",
        "socklet.toml:22: route.limits.max_message_size = \"64KB\"",
        "socklet.toml:24: limits.max_connections = 0",
        "socklet.toml:26: log.levle: unknown key",
        "socklet.toml:28: drain.timeout = 3",
        "socklet.toml:30: plugin.bad.source: not a component",
    ];
    server.configure(&text);
    let (code, _, err) = server.command(&["reload"]).await;
    let told: Vec<_> = err.lines().skip(1).collect();
    assert_eq!((code, told.len()), (64, expected.len()), "{err}");
    for mistake in expected {
        assert!(told.iter().any(|line| line.contains(mistake)), "{mistake} in {err}");
    }
    assert_eq!(server.open("/goes").await.ask("a").await, "a");
    let listeners = asked(&server, &["listener", "ls"]).await;
    let names: Vec<_> = listeners["listeners"].as_array().unwrap().iter().map(|listener| &listener["name"]).collect();
    assert_eq!(names, ["main", "old"]);
    // What is wrong and what needs a restart are told together.
    server.configure(
        &before()
            .replace("\"stock:echo\"", "\"file:bad.wasm\"")
            .replace("[admin]", "[log]\nformat = \"json\"\n[admin]"),
    );
    let (code, _, err) = server.command(&["reload"]).await;
    assert!(code == 64 && err.contains("not a component") && err.contains("log.format was changed"), "{err}");
    busy.was_never_disturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_stopped_and_started_by_its_name() {
    let server = Process::start(&before()).await;
    let busy = Busy::new(server.open("/stays").await);
    let old = unix(&server, "old.sock");
    let mut client = Connect::new(&old, "/stays").open().await;
    assert_eq!(client.ask("a").await, "a");
    let (_, out, _) = server.command(&["listener", "ls"]).await;
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["LISTENER", "STATE", "ADDRESS", "TLS", "CONNECTIONS"]);
    assert_eq!(lines[1], ["main", "serving", &server.address().to_string(), "no", "1"]);
    assert_eq!((&lines[2][..2], lines[2][4]), (&["old", "serving"][..], "1"));

    let (code, out, _) = server.command(&["listener", "stop", "old"]).await;
    assert!(
        code == 0 && out.starts_with("old: stopped, ") && out.contains("1 connections are being closed with 1001"),
        "{out}"
    );
    assert_eq!(client.expect_close(1001).await, "listener stopped");
    assert!(!server.folder().join("old.sock").exists());
    let (_, out, _) = server.command(&["listener", "stop", "old"]).await;
    assert!(out.starts_with("old: unchanged, stopped"), "{out}");
    // A reload leaves it stopped, whatever else it changes.
    server.reload_with(&before().replace("old.sock", "other.sock")).await;
    assert!(!server.folder().join("other.sock").exists());
    let (code, out, err) = server.command(&["listener", "start", "old"]).await;
    assert!(code == 0 && out.starts_with("old: serving, "), "{out}{err}");
    assert_eq!(Connect::new(&unix(&server, "other.sock"), "/stays").open().await.ask("b").await, "b");
    let (code, _, err) = server.command(&["listener", "stop", "moon"]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no listener moon\n"));
    busy.was_never_disturbed().await;
    let (_, log) = server.terminate().await;
    assert_eq!(log.matches("asked by an operator").count(), 4, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_moved_keeps_its_connections() {
    let server = Process::start(&before()).await;
    let mut client = Connect::new(&unix(&server, "old.sock"), "/stays").open().await;
    assert_eq!(client.ask("a").await, "a");
    server.reload_with(&before().replace("old.sock", "moved.sock")).await;
    assert_eq!(Connect::new(&unix(&server, "moved.sock"), "/stays").open().await.ask("b").await, "b");
    eventually("the old socket's file is gone", async || !server.folder().join("old.sock").exists()).await;
    assert_eq!(client.ask("c").await, "c");
    // An address that somebody else has: nothing is moved.
    let other = std::os::unix::net::UnixListener::bind(server.folder().join("taken.sock")).unwrap();
    server.configure(&before().replace("old.sock", "taken.sock"));
    server.reload("failed").await;
    assert_eq!(Connect::new(&unix(&server, "moved.sock"), "/stays").open().await.ask("d").await, "d");
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_node_and_the_log_change_without_a_restart() {
    let server = Process::start(&before()).await;
    let mut client = server.open("/stays").await;
    assert_eq!(client.ask("a").await, "a");
    assert!(!server.log().contains("DEBUG"));
    server.reload_with(&format!("{}\n[limits]\nmax_connections = 1\n[log]\nlevel = \"debug\"\n", before())).await;
    let answer = server.at("/stays").answer().await;
    assert_eq!(answer.status, 503);
    server.until_log("DEBUG").await;
    assert_eq!(client.ask("b").await, "b");
    server.reload_with(&before()).await;
    assert_eq!(server.open("/stays").await.ask("c").await, "c");
}

/// Whatever waits for a component to be compiled, the server answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_for_a_running_server_need_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["listener", "ls"][..], &["tenant", "ls"], &["tenant", "reload", "acme"], &["reload", "--dry-run"]]
    {
        let arguments = [arguments, &["--admin", "http://127.0.0.1:1"]].concat();
        let (code, _, err) = finished(command(&arguments, folder.path())).await;
        assert!(code == 1 && err.contains("failed to reach a server"), "{err}");
    }
}
