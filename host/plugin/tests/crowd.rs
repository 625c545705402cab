//! Many live instances in one process: what each takes, what happens when there is no more room, and what is left of them. A
//! process of its own, because it counts the process's memory and mappings; the figures are printed with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and tells its figures")]
#![allow(dead_code, reason = "the harness has more than this needs")]

#[path = "it/harness.rs"]
mod harness;

use harness::{Client, Expect, Host, Route, config, request, stock};
use socklet_core::{CallError, Cause};
use socklet_plugin::InstancePolicy;
use std::{fs, time::Instant};
use tokio::sync::Mutex;

/// One crowd at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The mappings of an engine's instances, stacks and everything else that has its own share, before there is room for any instance.
const SHARE_OF_OTHERS: u32 = 12 << 10;

/// Bytes of memory that the process has now.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// Mappings that the process has now.
fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

async fn talks(client: &mut Client, text: &str) {
    assert_eq!(client.ask(text).await, text);
}

async fn is_full(route: &Route) {
    let error = route.upgrade(request("")).await.unwrap_err();
    assert!(matches!(error, CallError::Busy { .. }), "{error}");
}

/// As many live instances of echo as there is room for, each called twice; then one too many, and room again.
async fn crowd(host: Host, room: usize) {
    let route = host.route_with(config(stock("echo")), InstancePolicy::Connection).await;
    let mut clients = vec![route.connect("").await];
    let (memory, maps, began) = (resident(), mappings(), Instant::now());
    while clients.len() < room {
        clients.push(route.connect("").await);
    }
    println!("{room} live instances, {:?} for each", began.elapsed() / room as u32);
    for word in ["hello", "again"] {
        let began = Instant::now();
        for client in &mut clients {
            talks(client, word).await;
        }
        let bytes = (resident() - memory) as usize / room;
        let maps = mappings() - maps;
        println!("a call to each, {:?}; {bytes} bytes each, {maps} mappings", began.elapsed() / room as u32);
        assert!(bytes < 64 << 10, "{bytes} bytes for each instance");
    }
    for _ in 0..100 {
        is_full(&route).await;
    }
    for mut client in clients.drain(room - 10..) {
        client.close(Cause::Client).await.unwrap().proceeds();
    }
    for _ in 0..10 {
        let mut client = route.connect("").await;
        talks(&mut client, "room again").await;
        clients.push(client);
    }
    is_full(&route).await;
    for mut client in clients {
        client.close(Cause::Client).await.unwrap().proceeds();
    }
    drop(route);
    let (left, more) = (resident().saturating_sub(memory), mappings().saturating_sub(maps));
    println!("all gone: {} KiB and {more} mappings are left", left >> 10);
    assert!(more < 100, "{more} mappings are left");
    assert_eq!(host.metric("plugin_instances{state=\"live\"}"), 0.0);
}

#[tokio::test]
async fn a_crowd_that_keeps_its_stacks() {
    let _alone = ALONE.lock().await;
    crowd(Host::with_instances(1_000), 1_000).await;
}

#[tokio::test]
async fn a_crowd_that_borrows_its_stacks() {
    let _alone = ALONE.lock().await;
    let host = Host::with(|config| {
        config.max_instances = 2_000;
        // Room for an eighth more, and very little else.
        config.max_mappings = Some(SHARE_OF_OTHERS + 2_250 + 200);
    });
    let before = mappings();
    crowd(host, 2_000).await;
    assert!(mappings() < before + 1_000, "{before} and {}", mappings());
}

#[tokio::test]
async fn a_process_with_few_mappings_has_room_for_fewer() {
    let _alone = ALONE.lock().await;
    let host = Host::with(|config| {
        config.max_instances = 10_000;
        config.max_mappings = Some(SHARE_OF_OTHERS + 900);
    });
    crowd(host, 800).await;
}

#[tokio::test]
#[ignore = "takes 1.3 GiB of memory and up to a minute: cargo test --workspace --test crowd -- --ignored --nocapture"]
async fn forty_thousand_live_instances() {
    let _alone = ALONE.lock().await;
    crowd(Host::with_instances(40_000), 40_000).await;
}
