//! Instances that sleep while their connections stay open: saved or not, woken by whatever comes, and awake when they must be.
//! The time is stopped: what waits is done at once.

use crate::harness::{Client, Expect, Host, Net, Route, config, guest, stock, tenant};
use socklet_core::{Behavior, CallError, Cause, DeathKind, InstanceState};
use socklet_plugin::{InstancePolicy, PluginConfig, RouteInstances};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::sleep};

const LIVE: &str = "plugin_instances{state=\"live\"}";
const ASLEEP: &str = "plugin_instances{state=\"hibernated\"}";
const SAVED: &str = "plugin_saved_bytes";

fn host(instances: u32) -> Host {
    Host::with(|config| {
        config.max_instances = instances;
        config.time = Some(Handle::current());
    })
}

fn sleepy(policy: InstancePolicy) -> RouteInstances {
    RouteInstances { policy, hibernate_after: Some(Duration::from_secs(10)), max_deaths: None }
}

async fn route(host: &Host, policy: InstancePolicy) -> Route {
    host.route_with(config(guest("sleepy")), sleepy(policy)).await
}

/// Longer than an idle instance stays awake.
async fn a_while() {
    sleep(Duration::from_secs(11)).await;
}

/// Waits until so many instances are awake, and so many sleep.
async fn are(host: &Host, live: u32, asleep: u32) {
    host.until(LIVE, live.into()).await;
    host.until(ASLEEP, asleep.into()).await;
}

async fn attempts(host: &Host, outcome: &str, attempts: u32) {
    host.until(&format!("plugin_hibernations_total{{outcome=\"{outcome}\"}}"), attempts.into()).await;
}

async fn fails(client: &mut Client, text: &str) -> DeathKind {
    match client.say(text).await {
        Err(CallError::Died { kind, .. }) => kind,
        other => panic!("{text}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_instance_is_saved_and_comes_back() {
    let host = host(64);
    let route = route(&host, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    for count in 1..=3 {
        assert_eq!(client.ask("count").await, count.to_string());
    }
    assert_eq!(client.ask("calls").await, "5");
    sleep(Duration::from_secs(9)).await;
    are(&host, 1, 0).await;
    assert_eq!(client.ask("calls").await, "6", "nobody puts it to sleep while it is called");
    a_while().await;
    are(&host, 0, 1).await;
    host.until(SAVED, 2.0).await;
    host.until("plugin_memory_bytes", 0.0).await;
    assert_eq!(client.ask("count").await, "6");
    assert_eq!(client.ask("calls").await, "2", "a fresh instance");
    are(&host, 1, 0).await;
    host.until(SAVED, 0.0).await;
    a_while().await;
    attempts(&host, "ok", 2).await;
    // The last event wakes it, too.
    let mut witness = route.connect("").await;
    witness.ask("count").await;
    client.close(Cause::Client).await.unwrap().proceeds();
    assert_eq!(witness.received(), ["closed after 7"]);
    drop((client, witness));
    are(&host, 0, 0).await;
    host.until(SAVED, 0.0).await;
}

#[tokio::test(start_paused = true)]
async fn instances_that_are_shared_sleep_when_nobody_calls() {
    let host = host(64);
    let route = route(&host, InstancePolicy::Shared).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    for _ in 0..4 {
        sleep(Duration::from_secs(6)).await;
        a.ask("hello").await;
        sleep(Duration::from_secs(6)).await;
        b.ask("hello").await;
    }
    assert_eq!(a.ask("calls").await, "11");
    a_while().await;
    are(&host, 0, 1).await;
    assert_eq!(b.ask("count").await, "10");
    // A connection that comes while it sleeps finds what the others left.
    a_while().await;
    let mut c = route.connect("").await;
    assert_eq!(c.ask("count").await, "11");
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_to_save_is_not_asked() {
    let host = host(64);
    let config = PluginConfig { stateless: true, ..config(stock("echo")) };
    let route = host.route_with(config, sleepy(InstancePolicy::Connection)).await;
    let mut client = route.connect("").await;
    assert_eq!(client.ask("a").await, "a");
    a_while().await;
    are(&host, 0, 1).await;
    host.until(SAVED, 0.0).await;
    assert_eq!(client.ask("b").await, "b");
    assert_eq!(host.metric("plugin_calls_total{hook=\"save\",outcome=\"ok\"}"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_saved_and_is_not_stateless_stays_awake() {
    let host = host(64);
    let route = host.route_with(config(stock("echo")), sleepy(InstancePolicy::Connection)).await;
    let _client = route.connect("").await;
    sleep(Duration::from_secs(3600)).await;
    are(&host, 1, 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_save_stays_awake_and_is_asked_again() {
    for (how, outcome) in [("refuse", "refused"), ("large", "too-large"), ("huge", "too-large")] {
        let host = host(64);
        let route = route(&host, InstancePolicy::Connection).await;
        let mut client = route.connect("").await;
        client.ask(&format!("save {how}")).await;
        a_while().await;
        attempts(&host, outcome, 1).await;
        // Less and less often.
        for (made, wait) in [(1, 10), (2, 20), (3, 40)] {
            sleep(Duration::from_secs(wait - 4)).await;
            attempts(&host, outcome, made).await;
            sleep(Duration::from_secs(5)).await;
            attempts(&host, outcome, made + 1).await;
        }
        assert_eq!(host.metric(LIVE), 1.0);
        assert_eq!(client.ask("calls").await, "3", "{how}");
        client.ask("save").await;
        sleep(Duration::from_secs(3600)).await;
        attempts(&host, "ok", 1).await;
        are(&host, 0, 1).await;
        assert_eq!(client.ask("count").await, "4");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_while_it_saves_takes_its_connections_along_and_nobody_else() {
    for (how, kind) in [("trap", DeathKind::Trap), ("spin", DeathKind::Deadline)] {
        let host = host(64);
        let route = route(&host, InstancePolicy::Connection).await;
        let (mut client, mut witness) = (route.connect("").await, route.connect("").await);
        client.ask(&format!("save {how}")).await;
        let event = client.session.lifeline().died().await;
        assert_eq!(host.metric(&format!("plugin_traps_total{{reason=\"{}\"}}", kind.as_str())), 1.0);
        assert_eq!(client.session.lifeline().death(), Some(event));
        client.close(Cause::PluginFailed).await.unwrap().proceeds();
        assert_eq!(witness.ask("count").await, "1");
        assert!(witness.session.lifeline().death().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_does_not_load_ends_the_connection_with_its_close() {
    for (how, kind) in [("refuse", DeathKind::Load), ("trap", DeathKind::Trap)] {
        let host = host(64);
        let route = route(&host, InstancePolicy::Connection).await;
        let (mut client, mut witness) = (route.connect("").await, route.connect("").await);
        client.ask(&format!("load {how}")).await;
        a_while().await;
        assert_eq!(fails(&mut client, "count").await, kind);
        assert!(client.session.lifeline().death().is_some());
        witness.ask("count").await;
        client.close(Cause::PluginFailed).await.unwrap().proceeds();
        // On an instance of its own, which has nothing to load.
        assert_eq!(witness.received(), ["closed after 0"]);
        drop(client);
        assert_eq!(host.metric(SAVED), 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_wakes_is_told_even_if_the_state_does_not_load() {
    for how in ["refuse", "trap"] {
        let host = host(64);
        let route = route(&host, InstancePolicy::Connection).await;
        let (mut client, witness) = (route.connect("").await, route.connect("").await);
        client.ask(&format!("load {how}")).await;
        a_while().await;
        client.close(Cause::Client).await.unwrap().proceeds();
        witness.hears(["closed after 0"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sleepers_make_room() {
    let host = host(2);
    let route = route(&host, InstancePolicy::Connection).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        for _ in 0..2 {
            let mut client = route.connect("").await;
            client.ask("hello").await;
            clients.push(client);
        }
        a_while().await;
    }
    are(&host, 0, 10).await;
    // There are ten, and room for two: who wakes up sends another to sleep, before its time.
    for round in 2..6 {
        for client in &mut clients {
            assert_eq!(client.ask("count").await, round.to_string());
        }
    }
    assert!(host.metric(LIVE) <= 2.0);
    for mut client in clients {
        client.close(Cause::Client).await.unwrap().proceeds();
    }
    assert_eq!(host.metric(SAVED), 0.0);
}

#[tokio::test(start_paused = true)]
async fn every_event_can_have_an_instance_of_its_own() {
    for fleeting in [false, true] {
        fleeting_instances(PluginConfig { fleeting, ..config(guest("sleepy")) }).await;
    }
}

async fn fleeting_instances(config: PluginConfig) {
    let host = host(64);
    let route = host.route_with(config, InstancePolicy::Event).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    for _ in 0..3 {
        assert_eq!((a.ask("calls").await, b.ask("count").await), ("1".into(), "1".into()));
        are(&host, 0, 0).await;
    }
    assert_eq!(a.ask("timer x 50").await, "ok");
    sleep(Duration::from_millis(60)).await;
    a.hears(["x 0"]).await;
    b.hears(["x 0"]).await;
    assert_eq!(fails(&mut a, "trap").await, DeathKind::Trap);
    a.close(Cause::PluginFailed).await.unwrap().proceeds();
    assert_eq!(b.received(), ["closed after 0"]);
    assert_eq!(b.ask("count").await, "1");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_served_for_long_is_replaced() {
    let host = host(64);
    let config = PluginConfig { recycle_calls: Some(10), ..config(guest("sleepy")) };
    for policy in [InstancePolicy::Connection, InstancePolicy::Shared] {
        let route = host.route_with(config.clone(), policy).await;
        let mut client = route.connect("").await;
        let mut calls = 0;
        for count in 1..=60 {
            let answer: u32 = client.ask("calls").await.parse().unwrap();
            calls = calls.max(answer);
            sleep(Duration::from_millis(1)).await;
            if count % 20 == 0 {
                assert_eq!(
                    client.ask("count").await,
                    (count + count / 20).to_string(),
                    "no message is lost or doubled"
                );
            }
        }
        assert!((10..20).contains(&calls), "{calls} calls of one instance");
    }
    assert!(host.metric("plugin_recycled_total{reason=\"calls\"}") >= 8.0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_never_idle_is_replaced_between_calls() {
    let host = host(64);
    let config = PluginConfig { recycle_calls: Some(50), ..config(guest("sleepy")) };
    let route = host.route_with(config, InstancePolicy::Shared).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(route.connect("").await);
    }
    let mut talks = tokio::task::JoinSet::new();
    for mut client in clients {
        talks.spawn(async move {
            for _ in 0..100 {
                client.ask("hello").await;
                tokio::task::yield_now().await;
            }
            client
        });
    }
    let mut clients = talks.join_all().await;
    assert_eq!(clients[0].ask("count").await, "801");
    assert!(host.metric("plugin_recycled_total{reason=\"calls\"}") >= 8.0);
    assert_eq!(host.metric("plugin_traps_total{reason=\"trap\"}"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_has_grown_is_replaced_once_a_minute_at_most() {
    let host = host(64);
    let config = PluginConfig { recycle_memory: Some(1), ..config(guest("sleepy")) };
    let route = host.route_with(config, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    for minute in 0..5 {
        for _ in 0..10 {
            client.ask("count").await;
            sleep(Duration::from_secs(1)).await;
        }
        host.until("plugin_recycled_total{reason=\"memory\"}", f64::from(minute + 1)).await;
        sleep(Duration::from_secs(61)).await;
    }
    assert_eq!(client.ask("count").await, "51");
}

#[tokio::test(start_paused = true)]
async fn operators_are_told_why_an_instance_is_awake() {
    let host = host(64);
    let show = async |source, instances: RouteInstances, saves: &str| {
        let plugin = host.load(config(source)).await.unwrap();
        let net = Arc::new(Net::default());
        let behavior = plugin.behavior(&tenant(), &"main".parse().unwrap(), instances, net.clone()).unwrap();
        let mut client = Route { net, behavior: behavior.clone() }.connect("").await;
        client.ask(saves).await;
        let fresh = behavior.instance_of(client.id).unwrap();
        assert_eq!(fresh.state, InstanceState::Live);
        for _ in 0..3 {
            a_while().await;
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
        }
        let later = behavior.instance_of(client.id).unwrap();
        assert_eq!(behavior.instance_of(socklet_core::ConnectionId::next()), None);
        (fresh.awake.unwrap(), later.state, later.awake.unwrap_or_default())
    };
    let policy = || sleepy(InstancePolicy::Connection);
    let never = RouteInstances { hibernate_after: None, ..policy() };
    for (source, instances, saves, state, why) in [
        (guest("sleepy"), policy(), "a", InstanceState::Hibernated, ""),
        (guest("sleepy"), never, "a", InstanceState::Live, "the route has hibernate_after = \"none\""),
        (stock("echo"), policy(), "a", InstanceState::Live, "its plugin neither exports state nor is stateless"),
        (guest("sleepy"), policy(), "save refuse", InstanceState::Live, "its plugin cannot save: asked to refuse"),
        (
            guest("sleepy"),
            policy(),
            "save large",
            InstanceState::Live,
            "what it would save has 2097152 bytes, more than saved_state_max",
        ),
    ] {
        let (fresh, later, awake) = show(source, instances, saves).await;
        assert_eq!((later, awake.as_str()), (state, why), "{saves}");
        let expected = if why.starts_with("the route") || why.starts_with("its plugin neither") {
            why
        } else {
            "it was called 0.0 s ago, and sleeps after 10.0 s"
        };
        assert_eq!(fresh, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worn_instance_that_cannot_save_is_left_to_those_who_share_it() {
    let host = host(64);
    let config = PluginConfig { recycle_calls: Some(5), ..config(guest("versioned_plain")) };
    let route = host.route_with(config, InstancePolicy::Shared).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    for count in 1..=3 {
        assert_eq!(a.ask("a").await, format!(" {count}"));
    }
    host.until("plugin_recycled_total{reason=\"calls\"}", 1.0).await;
    let mut c = route.connect("").await;
    assert_eq!((b.ask("b").await, a.ask("a").await, c.ask("c").await), (" 4".into(), " 5".into(), " 1".into()));
    assert_eq!(host.metric(LIVE), 2.0);
    drop((a, b));
    are(&host, 1, 0).await;
    assert_eq!(route.connect("").await.ask("d").await, " 2");
}
