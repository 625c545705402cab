//! The CPU time that plugins are charged with is what the process has used for them. A process of its own, because it compares with
//! the process's accounting; the figures are printed with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and tells its figures")]
#![allow(dead_code, reason = "the harness has more than this needs")]

#[path = "it/harness.rs"]
mod harness;

use harness::{Client, Host, config, guest};
use rustix::time::{ClockId, clock_gettime};
use socklet_plugin::InstancePolicy;
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Thousands of turns of a call that leaves its caller's thread, and of one that does not: some 20 and 0.2 ms.
const LONG_CALL: u32 = 10_000;
const SHORT_CALL: u32 = 100;
/// Clients that compute at a time, on two threads.
const CLIENTS: usize = 4;

/// The thread that ticks, on behalf of nobody: the longer everything takes, the more it uses.
const TICKER: &str = "socklet-epoch";

fn ticker_seconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let ticking =
        threads.filter(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == TICKER));
    let nanos = ticking.map(|thread| {
        let times = fs::read_to_string(thread.join("schedstat")).unwrap();
        times.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    nanos.sum::<f64>() / 1e9
}

fn process_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Has clients compute until the process has used so much CPU time, in calls of so many thousand turns each. Returns what was metered
/// of what the process has used.
async fn metered(host: &Host, clients: &mut Vec<Client>, thousands: u32, time: Duration) -> f64 {
    let metered = || host.plugins.usage().iter().map(|row| row.cpu_seconds).sum::<f64>();
    let (used_before, ticker_before) = (process_seconds(), ticker_seconds());
    let (metered_before, began) = (metered(), Instant::now());
    let mut computing = JoinSet::new();
    for mut client in clients.drain(..) {
        computing.spawn(async move {
            while process_seconds() < used_before + time.as_secs_f64() {
                assert_eq!(client.ask(&thousands.to_string()).await, "done");
            }
            client
        });
    }
    while let Some(client) = computing.join_next().await {
        clients.push(client.unwrap());
    }
    let used = process_seconds() - used_before - (ticker_seconds() - ticker_before);
    let metered = metered() - metered_before;
    let part = metered / used;
    println!(
        "{thousands},000 turns a call: {metered:.3} s metered of {used:.3} s beside the ticker's, {part:.3}, in {:?}",
        began.elapsed()
    );
    part
}

/// Clients of a route that has done such calls, and no others: short ones stay on their caller's thread.
async fn clients(host: &Host, thousands: u32) -> Vec<Client> {
    let mut compute = config(guest("compute"));
    compute.limits.timeout = Some(Duration::from_secs(60));
    let route = host.route_with(compute, InstancePolicy::Connection).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = route.connect("").await;
        client.ask(&thousands.to_string()).await;
        clients.push(client);
    }
    clients
}

/// CPU time against CPU time: however busy the machine is, the quotient is the same.
#[tokio::test]
async fn what_is_metered_is_what_the_process_used() {
    let host = Host::new();
    let mut clients = clients(&host, LONG_CALL).await;
    let part = metered(&host, &mut clients, LONG_CALL, Duration::from_secs(2)).await;
    assert!((part - 1.0).abs() < 0.15, "{part}");
}

/// Short calls are done on their caller's thread, where one of many is measured: on a busy machine a long run is needed.
#[tokio::test]
#[ignore = "takes two minutes: cargo test --workspace --locked --test metered -- --ignored --nocapture"]
async fn what_is_metered_in_a_long_run_is_what_the_process_used() {
    for call in [LONG_CALL, SHORT_CALL] {
        let host = Host::new();
        let mut clients = clients(&host, call).await;
        let part = metered(&host, &mut clients, call, Duration::from_secs(60)).await;
        assert!((part - 1.0).abs() < 0.05, "{part}");
    }
}
