//! Timers: the host's, by name, once, in order, over the sleep of their instance. The time is stopped.

use crate::harness::{Client, Expect, Host, Route, config, guest};
use socklet_core::Cause;
use socklet_plugin::{InstancePolicy, RouteInstances};
use std::time::Duration;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

fn host() -> Host {
    Host::with(|config| config.time = Some(Handle::current()))
}

async fn route(host: &Host, policy: InstancePolicy) -> Route {
    let instances = RouteInstances { policy, hibernate_after: Some(Duration::from_secs(10)), max_deaths: None };
    host.route_with(config(guest("sleepy")), instances).await
}

async fn set(client: &mut Client, name: &str, ms: u64) {
    assert_eq!(client.ask(&format!("timer {name} {ms}")).await, "ok");
}

async fn refused(client: &mut Client, timer: &str) -> String {
    let answer = client.ask(&format!("timer {timer}")).await;
    answer.strip_prefix("error: ").unwrap_or_else(|| panic!("{timer}: {answer}")).to_owned()
}

#[tokio::test(start_paused = true)]
async fn timers_fire_once_and_in_order() {
    let host = host();
    let route = route(&host, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    for (name, ms) in [("c", 300), ("a", 100), ("d", 300), ("b", 200), ("moved", 50), ("gone", 150)] {
        set(&mut client, name, ms).await;
    }
    set(&mut client, "moved", 400).await;
    assert_eq!(client.ask("cancel gone").await, "ok");
    sleep(Duration::from_millis(99)).await;
    assert_eq!(client.received(), [""; 0]);
    sleep(Duration::from_millis(2)).await;
    client.hears(["a 8"]).await;
    sleep(Duration::from_secs(5)).await;
    client.hears(["b 8", "c 8", "d 8", "moved 8"]).await;
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-timer\",outcome=\"ok\"}"), 5.0);
}

#[tokio::test(start_paused = true)]
async fn timers_survive_the_sleep_of_their_instance() {
    let host = host();
    let route = route(&host, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    set(&mut client, "alarm", 60_000).await;
    set(&mut client, "alarm2", 60_000).await;
    sleep(Duration::from_secs(30)).await;
    host.until("plugin_instances{state=\"hibernated\"}", 1.0).await;
    sleep(Duration::from_secs(29)).await;
    assert_eq!(client.received(), [""; 0]);
    sleep(Duration::from_millis(1_001)).await;
    client.hears(["alarm 2", "alarm2 2"]).await;
    assert_eq!(client.ask("calls").await, "3", "both calls on one fresh instance");
}

#[tokio::test(start_paused = true)]
async fn a_timer_can_be_set_again_when_it_is_due() {
    let host = host();
    let route = route(&host, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    set(&mut client, "again-x", 1_000).await;
    let began = Instant::now();
    sleep(Duration::from_millis(5_100)).await;
    client.hears(["again-x 1"; 5]).await;
    assert!(began.elapsed() < Duration::from_secs(6));
    client.ask("cancel again-x").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(client.received(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn timers_have_limits() {
    let host = host();
    let route = route(&host, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert!(refused(&mut client, "x 0").await.contains("1 to"));
    assert!(refused(&mut client, "x 999999999999999").await.contains("ms"));
    assert!(refused(&mut client, &format!("{} 1", "n".repeat(256))).await.contains("255"));
    assert!(refused(&mut client, " 1").await.contains("1 to 255"));
    for number in 0..1_024 {
        set(&mut client, &format!("t{number}"), 60_000).await;
    }
    assert!(refused(&mut client, "one-more 1").await.contains("1024"));
    // To move one is no further timer, and who forgot one may have another.
    set(&mut client, "t0", 1_000).await;
    client.ask("cancel t1").await;
    set(&mut client, "one-more", 500).await;
    sleep(Duration::from_secs(2)).await;
    client.hears(["one-more 1032", "t0 1032"]).await;
}

#[tokio::test(start_paused = true)]
async fn timers_end_with_their_instance() {
    let host = host();
    let route = route(&host, InstancePolicy::Connection).await;
    let (mut client, mut other, witness) = (route.connect("").await, route.connect("").await, route.connect("").await);
    set(&mut client, "left", 1_000).await;
    client.close(Cause::Client).await.unwrap().proceeds();
    drop(client);
    set(&mut other, "trap", 1_000).await;
    set(&mut other, "after", 1_000).await;
    sleep(Duration::from_secs(2)).await;
    other.session.lifeline().died().await;
    witness.hears(["closed after 1"]).await;
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-timer\",outcome=\"trap\"}"), 1.0);
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-timer\",outcome=\"ok\"}"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_export_timer_events_is_told() {
    let host = host();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    let answer = client.ask("timer x 1000").await;
    assert!(answer.contains("timer-events"), "{answer}");
}
