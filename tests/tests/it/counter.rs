//! The demonstration of `host/docs/swapping.md`: clients of the counter count while operators swap it and roll it back.

use socklet_tests::{Client, Process, eventually, provide_descriptors, repository, stock};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

const CLIENTS: usize = 1_000;
/// Between two messages of a client: a thousand at full speed would only measure the machine.
const PAUSE: Duration = Duration::from_millis(100);
/// Descriptors of this process: a socket for each client, and what other tests have open.
const DESCRIPTORS: u64 = 4_096;
/// Clients that connect at a time.
const OPENING: usize = 50;

/// What clients tell of themselves while they count.
#[derive(Debug, Default)]
struct Seen {
    stop: AtomicBool,
    /// Who has had an answer.
    begun: AtomicUsize,
    /// Who was last answered by v2.
    second: AtomicUsize,
}

/// The configuration of the guide, with files that a test can have.
fn configuration() -> String {
    let text = fs::read_to_string(repository().join("plugins/counter/socklet.toml")).unwrap();
    let source = "file:../target/wasm32-wasip2/release/counter.wasm";
    assert!(text.contains(source) && text.contains("127.0.0.1:8080") && text.contains("127.0.0.1:9090"));
    let text = text.replace(source, "stock:counter").replace("127.0.0.1:8080", "127.0.0.1:0");
    format!("{}[engine]\nmax_instances = 2_048\n", text.replace("127.0.0.1:9090", "127.0.0.1:0"))
}

/// Counts until it is told to stop: every number once, in order. Returns the versions that answered.
async fn count(mut client: Client, seen: Arc<Seen>) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    let mut asked = 0;
    while !seen.stop.load(Relaxed) {
        asked += 1;
        let answer = client.ask("next").await;
        let (version, number) = answer.split_once(' ').expect("VERSION COUNT");
        assert_eq!(number, asked.to_string(), "a gap in {versions:?}");
        if versions.last().is_none_or(|last| last != version) {
            match version {
                "v2" => seen.second.fetch_add(1, Relaxed),
                _ if versions.is_empty() => seen.begun.fetch_add(1, Relaxed),
                _ => seen.second.fetch_sub(1, Relaxed),
            };
            versions.push(version.to_owned());
        }
        sleep(PAUSE).await;
    }
    assert_eq!(client.close(1000, "").await.0, 1000);
    versions
}

/// Waits until there are so many clients; none may have stopped counting by then.
async fn until(what: &str, seen: &AtomicUsize, clients: usize, counting: &mut JoinSet<Vec<String>>) {
    eventually(what, async || {
        if let Some(ended) = counting.try_join_next() {
            panic!("{what}: a client stopped counting: {ended:?}");
        }
        seen.load(Relaxed) == clients
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_count_on_while_it_is_swapped_and_rolled_back() {
    provide_descriptors(DESCRIPTORS);
    let server = Process::start(&configuration()).await;
    let seen = Arc::<Seen>::default();
    let (mut opening, mut counting) = (JoinSet::new(), JoinSet::new());
    for number in 0..CLIENTS {
        let connect = server.at("/count");
        opening.spawn(connect.open());
        if number >= OPENING {
            counting.spawn(count(opening.join_next().await.unwrap().unwrap(), seen.clone()));
        }
    }
    while let Some(client) = opening.join_next().await {
        counting.spawn(count(client.unwrap(), seen.clone()));
    }
    until("all are counted by v1", &seen.begun, CLIENTS, &mut counting).await;

    let next = stock("counter_v2");
    let (code, out, err) = server.command(&["plugin", "swap", "counter", next.to_str().unwrap()]).await;
    assert_eq!((code, out.as_str()), (0, "counter: version 2, on trial\n"), "{err}");
    until("all are counted by v2", &seen.second, CLIENTS, &mut counting).await;
    let (code, out, _) = server.command(&["plugin", "ls"]).await;
    let second: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().take(5).collect();
    assert_eq!((code, &second[..]), (0, &["counter", "behavior", "2", "current", "1000"][..]), "{out}");

    let (code, out, err) = server.command(&["plugin", "rollback", "counter"]).await;
    assert_eq!((code, out.as_str()), (0, "counter: version 1\n"), "{err}");
    until("all are counted by v1 again", &seen.second, 0, &mut counting).await;
    seen.stop.store(true, Relaxed);
    while let Some(versions) = counting.join_next().await {
        assert_eq!(versions.expect("no client sees a gap"), ["v1", "v2", "v1"]);
    }
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
    server.until_metric("socklet_connections_closed_total{code=\"1000\",cause=\"client\"}", CLIENTS as f64).await;
    assert_eq!(server.metric("socklet_plugin_recycled_total{reason=\"version\"}").await, 2.0 * CLIENTS as f64);
}
