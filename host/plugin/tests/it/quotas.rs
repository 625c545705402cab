//! What a tenant's plugins may have together: refused, or waited for, and counted. Other tenants are not concerned.

use crate::harness::{Client, Host, Net, Route, config, guest, stock};
use socklet_core::{CallError, DeathKind, Quotas, Rate, Tenant};
use socklet_plugin::{InstancePolicy, Plugin, PluginConfig, RouteInstances};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, time::sleep};

fn tenant(name: &str, quotas: Quotas) -> Arc<Tenant> {
    Arc::new(Tenant::new(name.parse().unwrap(), quotas))
}

fn route(plugin: &Plugin, tenant: &Arc<Tenant>, name: &str, instances: impl Into<RouteInstances>) -> Route {
    let net = Arc::new(Net::default());
    let behavior = plugin.behavior(tenant, &name.parse().unwrap(), instances.into(), net.clone()).unwrap();
    Route { net, behavior }
}

fn drowsy() -> RouteInstances {
    RouteInstances {
        policy: InstancePolicy::Connection,
        hibernate_after: Some(Duration::from_secs(10)),
        max_deaths: None,
    }
}

fn stopped() -> Host {
    Host::with(|config| config.time = Some(Handle::current()))
}

async fn hits(host: &Host, quota: &str, hits: u32) {
    host.until(&format!("plugin_quota_hits_total{{quota=\"{quota}\"}}"), hits.into()).await;
}

#[tokio::test(start_paused = true)]
async fn instances_are_counted_over_all_routes_and_make_room_for_each_other() {
    let host = stopped();
    let plugin = host.load(config(guest("sleepy"))).await.unwrap();
    let acme = tenant("acme", Quotas { instances: Some(2), ..Quotas::default() });
    let (one, two) = (route(&plugin, &acme, "one", drowsy()), route(&plugin, &acme, "two", drowsy()));
    let (mut a, mut b) = (one.connect("").await, two.connect("").await);
    assert!(matches!(two.upgrade(crate::harness::request("")).await, Err(CallError::Busy { .. })));
    hits(&host, "instances", 1).await;
    let other = route(&plugin, &tenant("other", Quotas::default()), "one", drowsy());
    let mut free = other.connect("").await;
    free.ask("count").await;
    // Who sleeps is none, and who wakes up waits for another to sleep.
    sleep(Duration::from_secs(11)).await;
    host.until("plugin_instances{state=\"hibernated\"}", 3.0).await;
    let mut c = two.connect("").await;
    for _ in 0..3 {
        for client in [&mut a, &mut b, &mut c] {
            client.ask("count").await;
            assert!(host.metric("plugin_instances{state=\"live\"}") <= 2.0, "the other tenant's sleeps");
        }
    }
}

#[tokio::test]
async fn memory_is_counted_over_all_instances() {
    let host = Host::new();
    let plugin = host.load(config(guest("exhaust_memory"))).await.unwrap();
    let acme = tenant("acme", Quotas { memory: Some(24 << 20), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", InstancePolicy::Connection);
    let (mut greedy, mut other) = (main.connect("").await, main.connect("").await);
    let refused = greedy.ask("grow").await;
    let megabytes: u32 = refused.split(' ').nth(2).unwrap().parse().unwrap();
    assert!((15..24).contains(&megabytes), "{refused}");
    assert_eq!(other.ask("a").await, "a");
    assert!(other.ask("grow").await.starts_with("refused after"));
    assert!(host.metric("plugin_quota_hits_total{quota=\"memory\"}") >= 2.0);
    // A new instance does not fit any more, and fits when another is gone.
    assert!(matches!(
        main.upgrade(crate::harness::request("")).await,
        Err(CallError::Died { kind: DeathKind::Memory, .. })
    ));
    let free = route(&plugin, &tenant("other", Quotas::default()), "main", InstancePolicy::Connection);
    assert_eq!(free.connect("").await.ask("grow").await.split(' ').next(), Some("refused"));
    drop(greedy);
    main.connect("").await;
}

#[tokio::test(start_paused = true)]
async fn timers_are_counted_until_they_were_told() {
    let host = stopped();
    let plugin = host.load(config(guest("sleepy"))).await.unwrap();
    let acme = tenant("acme", Quotas { timers: Some(2), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", InstancePolicy::Connection);
    let (mut a, mut b) = (main.connect("").await, main.connect("").await);
    assert_eq!(a.ask("timer one 1000").await, "ok");
    assert_eq!(a.ask("timer one 2000").await, "ok", "moved, not set twice");
    assert_eq!(b.ask("timer two 5000").await, "ok");
    assert_eq!(a.ask("timer three 1000").await, "error: its tenant has as many timers as it may have");
    hits(&host, "timers", 1).await;
    a.ask("cancel one").await;
    assert_eq!(a.ask("timer three 1000").await, "ok");
    sleep(Duration::from_secs(2)).await;
    a.hears(["three 5"]).await;
    assert_eq!(a.ask("timer four 1000").await, "ok");
    drop(b);
    assert_eq!(a.ask("timer five 1000").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_save_stays_awake() {
    let host = stopped();
    let plugin = host.load(config(guest("versioned"))).await.unwrap();
    let acme = tenant("acme", Quotas { saved_state: Some(2), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", drowsy());
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = main.connect("").await;
        client.ask("a").await;
        clients.push(client);
    }
    sleep(Duration::from_secs(11)).await;
    host.until("plugin_instances{state=\"hibernated\"}", 2.0).await;
    hits(&host, "saved-state", 1).await;
    host.until("plugin_hibernations_total{outcome=\"over-quota\"}", 1.0).await;
    for client in &mut clients {
        assert_eq!(client.ask("a").await, " 2");
    }
    assert_eq!(acme.saved_state().used(), 0);
}

#[tokio::test]
async fn log_lines_are_dropped() {
    let host = Host::new();
    let mut flood = config(guest("flood_log"));
    flood.limits.timeout = Some(Duration::from_secs(20));
    let plugin = host.load(flood).await.unwrap();
    let acme = tenant("acme", Quotas { log_lines: Some(Rate::per_second(10)), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", InstancePolicy::Connection);
    assert_eq!(main.connect("").await.ask("go").await, "done");
    assert!(host.metric("plugin_quota_hits_total{quota=\"log-lines\"}") > 1000.0);
}

async fn spin(route: &Route) -> Client {
    let mut client = route.connect("").await;
    client.say("spin").await.unwrap_err();
    client
}

#[tokio::test]
async fn who_has_used_its_cpu_time_waits_for_more() {
    let host = Host::new();
    let mut spinning = config(guest("spin_message"));
    spinning.limits.timeout = Some(Duration::from_millis(300));
    let (plugin, echo) = (host.load(spinning).await.unwrap(), host.load(config(stock("echo"))).await.unwrap());
    let acme = tenant("acme", Quotas { cpu: Some(Duration::from_millis(200)), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", InstancePolicy::Connection);
    let began = Instant::now();
    spin(&main).await;
    spin(&main).await;
    // 600 ms at a fifth of a core, less the 20 ms that were saved up: it cannot have taken less, however quick the machine is.
    assert!(began.elapsed() > Duration::from_millis(2_500), "{:?}", began.elapsed());
    // All that it has waits, and is served.
    let mut client = route(&echo, &acme, "echo", InstancePolicy::Connection).connect("").await;
    assert_eq!(client.ask("a").await, "a");
    assert!(host.metric("plugin_quota_hits_total{quota=\"cpu\"}") >= 1.0);
    let used: f64 = host.plugins.usage().iter().map(|row| row.cpu_seconds).sum();
    assert!(used <= began.elapsed().as_secs_f64() / 5.0 + 0.1, "{used} s in {:?}", began.elapsed());
}

#[tokio::test]
async fn both_instances_of_a_shared_route_count_once() {
    let host = Host::new();
    let plugin = host.load(PluginConfig { ..config(stock("echo")) }).await.unwrap();
    let acme = tenant("acme", Quotas { instances: Some(1), ..Quotas::default() });
    let main = route(&plugin, &acme, "main", InstancePolicy::Shared);
    let (mut a, mut b) = (main.connect("").await, main.connect("").await);
    assert_eq!((a.ask("a").await, b.ask("b").await), ("a".to_owned(), "b".to_owned()));
}
