//! Guests that tell their version: swapped while connections are open, over real sockets.

use futures_util::{StreamExt, stream::FuturesUnordered};
use socklet_tests::{Client, Process};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Connections that count at the same time.
const COUNTING: usize = 200;

fn config(guest: &str, version: &str) -> String {
    format!(
        r#"
        [[route]]
        default = true
        behavior = "main"
        [plugin.main]
        source = "guest:{guest}"
        settings = {{ version = "{version}" }}
        "#
    )
}

/// Asks until it is told to stop, and never gets another answer than the next number. Returns the versions that answered.
async fn count(mut client: Client, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    let mut asked = 0;
    while !stop.load(Relaxed) {
        asked += 1;
        client.send("next").await;
        let mut answer = client.text().await;
        while answer.starts_with("closed ") {
            // Somebody else's end, which is told to everybody.
            answer = client.text().await;
        }
        let (version, number) = answer.split_once(' ').expect("VERSION COUNT");
        assert_eq!(number, asked.to_string(), "no message is lost or counted twice");
        if versions.last().is_none_or(|last| last != version) {
            versions.push(version.to_owned());
        }
    }
    assert_eq!(client.close(1000, "").await.0, 1000);
    versions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn versioned() {
    let server = Process::start(&config("versioned", "one")).await;
    let stop = Arc::<AtomicBool>::default();
    let mut counting = FuturesUnordered::new();
    for _ in 0..COUNTING {
        counting.push(tokio::spawn(count(server.open("/").await, stop.clone())));
    }
    let moved = "socklet_plugin_recycled_total{reason=\"version\"}";
    for (swaps, version) in [(1, "two"), (2, "one")] {
        server.reload_with(&config("versioned", version)).await;
        server.until_metric(moved, (swaps * COUNTING) as f64).await;
        assert_eq!(server.open("/").await.header("x-version"), version);
    }
    stop.store(true, Relaxed);
    while let Some(versions) = counting.next().await {
        // A slow one may have asked nothing while the second version served it.
        let versions = versions.expect("all answers came, in order");
        assert_eq!((versions[0].as_str(), versions.last().map(String::as_str)), ("one", Some("one")), "{versions:?}");
    }
    assert_eq!(server.metric("socklet_plugin_swaps_total{outcome=\"ok\"}").await, 2.0);
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
    assert_eq!(server.metric("socklet_connections_closed_total{cause=\"client\"}").await, COUNTING as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn versioned_plain() {
    let server = Process::start(&config("versioned_plain", "one")).await;
    let mut old = server.open("/").await;
    assert_eq!(old.ask("a").await, "one 1");
    server.reload_with(&config("versioned_plain", "two")).await;
    let mut new = server.open("/").await;
    assert_eq!(new.ask("a").await, "two 1");
    assert_eq!(old.ask("b").await, "one 2", "its instance cannot be saved, and serves it to its end");
    let closing = config("versioned_plain", "three").replace("settings", "on_swap = \"close\"\n settings");
    server.reload_with(&closing).await;
    for client in [&mut old, &mut new] {
        client.expect_close(1012).await;
    }
    assert_eq!(server.open("/").await.ask("a").await, "three 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn auth_versioned() {
    let config = |version: &str, dies: &str| {
        format!(
            r#"
            [[route]]
            default = true
            authenticators = "auth"
            behavior = "main"
            [plugin.main]
            source = "guest:reporter"
            [plugin.auth]
            source = "guest:auth_versioned"
            settings = {{ version = "{version}" {dies} }}
            "#
        )
    };
    let server = Process::start(&config("one", "")).await;
    let mut old = server.open("/").await;
    assert_eq!(old.command("principal").await["subject"], "one");
    server.reload_with(&config("two", "")).await;
    assert_eq!(server.open("/").await.command("principal").await["subject"], "two");
    assert_eq!(old.command("principal").await["subject"], "one", "who was let in stays who it is");
    // One that kills its instances gives way, and not even who meets it first is turned away.
    server.reload_with(&config("three", ", dies = true")).await;
    server.open("/").await;
    server.until_metric("socklet_plugin_swaps_total{outcome=\"failed-trial\"}", 1.0).await;
    assert_eq!(server.open("/").await.command("principal").await["subject"], "two");
    assert_eq!(server.metric("socklet_plugin_version{plugin=\"auth\"}").await, 2.0);
}
