//! Connections come and go by the thousand, and nothing of them stays: no memory, no descriptor, no instance.
//!
//! The figures go to the standard error output.

use socklet_tests::{Process, eventually};
use std::{
    io::{Write, stderr},
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

const WARM_UP: usize = 3_000;
const CYCLES: usize = 10_000;
const CUT_OFF: usize = 2_000;
/// Clients at a time.
const CLIENTS: usize = 50;
/// How long the server may take to give memory back.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Calls are cut off early, so that thousands of them do not take minutes.
const CONFIGURATION: &str = "
[engine]
max_instances = 2048
[[route]]
path = '/echo'
authenticators = ['grant']
behavior = 'echo'
[[route]]
max_deaths = 'none'
path = '/spin'
behavior = 'spin'
[[route]]
max_deaths = 'none'
path = '/sleep'
behavior = 'sleep'
[plugin.grant]
source = 'guest:auth_grant'
[plugin.echo]
source = 'stock:echo'
[plugin.spin]
source = 'guest:spin_message'
timeout = '10ms'
[plugin.sleep]
source = 'guest:sleeper'
wait_timeout = '2s'
";

/// Makes so many connections, each by `cycle` with its number, [`CLIENTS`] at a time.
async fn repeat<F>(count: usize, cycle: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut running, mut next) = (JoinSet::new(), 0);
    while next < count || !running.is_empty() {
        while next < count && running.len() < CLIENTS {
            running.spawn(cycle(next));
            next += 1;
        }
        running.join_next().await.expect("somebody runs").expect("no client fails");
    }
}

/// Connects, has a message echoed, and leaves: every second time without a word.
async fn come_and_go(server: &Process, count: usize) {
    repeat(count, |number| {
        let connect = server.at("/echo?as=somebody");
        async move {
            let mut client = connect.open().await;
            let text = format!("message {number}");
            assert_eq!(client.ask(&text).await, text);
            if number.is_multiple_of(2) {
                assert_eq!(client.close(1000, "").await.0, 1000);
            } else {
                client.vanish();
            }
        }
    })
    .await;
}

/// Nobody is connected any more, and everybody who was has been counted out. Returns how many there were.
async fn nobody_is_left(server: &Process) -> f64 {
    server.until_metric("socklet_connections", 0.0).await;
    server.until_metric("socklet_plugin_instances", 0.0).await;
    server.until_metric("socklet_plugin_memory_bytes", 0.0).await;
    let metrics = server.metrics().await;
    let (opened, closed) =
        (metrics.get("socklet_connections_opened_total"), metrics.get("socklet_connections_closed_total"));
    assert_eq!(opened, closed);
    let calls = |hook| metrics.get(&format!("socklet_plugin_calls_total{{hook=\"{hook}\"}}"));
    assert_eq!((calls("on-open"), calls("on-close")), (opened, opened));
    assert_eq!(metrics.get("socklet_send_queue_bytes"), 0.0);
    opened
}

/// Waits until the memory is at most `most`, or for as long as that may take. Returns what it is then.
async fn memory(server: &Process, most: u64) -> u64 {
    let deadline = Instant::now() + GIVE_BACK;
    while server.rss() > most && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
    server.rss()
}

fn say(what: &str, server: &Process, since: Instant) {
    let (memory, descriptors) = (server.rss() as f64 / f64::from(1 << 20), server.fds());
    let time = since.elapsed().as_secs_f64();
    // Nothing is lost but a figure.
    let _ = writeln!(stderr(), "cycles: {what}: {memory:.1} MiB, {descriptors} descriptors, {time:.1} s");
}

#[tokio::test]
async fn ten_thousand_connections_leave_nothing_behind() {
    let server = Process::start(CONFIGURATION).await;
    let started = Instant::now();
    // No descriptor is open for a client yet, and none for operators that have just asked for metrics.
    let descriptors = server.fds();
    say("start", &server, started);
    come_and_go(&server, WARM_UP).await;
    assert_eq!(nobody_is_left(&server).await, WARM_UP as f64);
    let warm = server.rss();
    say("after 3,000 connections", &server, started);

    come_and_go(&server, CYCLES).await;
    assert_eq!(nobody_is_left(&server).await, (WARM_UP + CYCLES) as f64);
    say("after 10,000 more", &server, started);
    let most = warm + warm / 10;
    let after = memory(&server, most).await;
    assert!(after <= most, "{warm} bytes of memory after 3,000 connections, {after} after 10,000 more");
    eventually("as many descriptors as at first", async || server.fds() <= descriptors).await;

    // In the midst of a call: one that computes, one that waits.
    repeat(CUT_OFF, |number| {
        let (path, text) = if number.is_multiple_of(2) { ("/spin", "spin") } else { ("/sleep", "sleep") };
        let connect = server.at(path);
        async move {
            let mut client = connect.open().await;
            client.send(text).await;
            client.vanish();
        }
    })
    .await;
    say("2,000 more, cut off in a call", &server, started);
    assert_eq!(nobody_is_left(&server).await, (WARM_UP + CYCLES + CUT_OFF) as f64);
    say("after them", &server, started);
    let metrics = server.metrics().await;
    for reason in ["deadline", "timeout"] {
        assert!(metrics.get(&format!("socklet_plugin_traps_total{{reason=\"{reason}\"}}")) > 0.0, "{}", metrics.text());
    }
    eventually("as many descriptors as at first", async || server.fds() <= descriptors).await;
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{log}");
}
