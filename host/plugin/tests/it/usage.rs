//! What plugins use is counted, for each tenant, route and version.

use crate::harness::{Expect, Host, config, guest, stock, tenant};
use socklet_core::Cause;
use socklet_plugin::{InstancePolicy, PluginConfig, UsageRow};
use std::time::{Duration, Instant};

fn only(host: &Host) -> UsageRow {
    let mut rows = host.plugins.usage();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

#[tokio::test]
async fn messages_and_calls_are_counted_as_they_happen() {
    let host = Host::new();
    let route = host.route_with(config(stock("echo")), InstancePolicy::Connection).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    for _ in 0..3 {
        assert_eq!(a.ask("12345").await, "12345");
    }
    b.ask("1").await;
    let row = only(&host);
    assert_eq!((row.tenant.as_str(), row.route.as_str(), row.plugin.name.as_str()), ("acme", "main", "guest"));
    assert_eq!((row.version, row.traps), (1, 0));
    // Two upgrades, two openings, four messages.
    assert_eq!(row.calls, 8);
    assert_eq!((row.messages_received, row.bytes_received), (4, 16));
    assert_eq!((row.messages_sent, row.bytes_sent), (4, 16));
    assert_eq!(row.host_calls, 4);
    assert_eq!(row.connections, 2);
    assert!(row.cpu_seconds > 0.0 && row.cpu_seconds < 10.0, "{row:?}");
    assert!(row.connection_seconds > 0.0 && row.memory_byte_seconds > 0.0, "{row:?}");
    assert_eq!(row.memory_bytes as f64, host.metric("plugin_memory_bytes"));
    let peak = row.memory_peak_bytes;
    a.close(Cause::Client).await.unwrap().proceeds();
    drop(a);
    let row = only(&host);
    assert_eq!((row.connections, row.memory_bytes, row.memory_peak_bytes), (1, peak / 2, peak));
    host.plugins.usage_was_taken(&[row]);
    assert_eq!(only(&host).memory_peak_bytes, peak / 2, "the peak is of the time since it was told");
}

#[tokio::test]
async fn deaths_are_counted_with_what_was_done_before() {
    let host = Host::new();
    let route = host.route_with(config(guest("trap_message")), InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    client.ask("a").await;
    client.say("trap").await.unwrap_err();
    let row = only(&host);
    assert_eq!((row.traps, row.messages_received, row.bytes_received), (1, 2, 5));
}

#[tokio::test]
async fn a_broadcast_counts_for_each_receiver() {
    let host = Host::new();
    let route = host.route_with(config(guest("versioned")), InstancePolicy::Shared).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(route.connect("").await);
    }
    clients.pop().unwrap().close(Cause::Client).await.unwrap().proceeds();
    let row = only(&host);
    assert_eq!((row.messages_sent, row.bytes_sent), (4, 4 * "closed  0".len() as u64));
}

#[tokio::test]
async fn cpu_time_is_that_of_the_threads() {
    let host = Host::new();
    let mut spin = config(guest("spin_message"));
    spin.limits.timeout = Some(Duration::from_millis(300));
    let route = host.route_with(spin, InstancePolicy::Connection).await;
    let began = Instant::now();
    for _ in 0..2 {
        let mut client = route.connect("").await;
        client.say("spin").await.unwrap_err();
    }
    let row = only(&host);
    // It was stopped when it had used its time, so this holds on a busy machine, too.
    assert!(row.cpu_seconds >= 0.6, "{row:?}");
    assert!(row.cpu_seconds <= began.elapsed().as_secs_f64() + 0.1, "{row:?}");
}

#[tokio::test]
async fn versions_have_rows_of_their_own_and_go_when_they_were_taken() {
    let host = Host::new();
    let version = |name: &str| PluginConfig {
        settings: [("version".to_owned(), name.to_owned())].into(),
        ..config(guest("versioned_plain"))
    };
    let plugin = host.load(version("one")).await.unwrap();
    let net = std::sync::Arc::new(crate::harness::Net::default());
    let names = (tenant(), "main".parse().unwrap());
    let behavior = plugin.behavior(&names.0, &names.1, InstancePolicy::Connection.into(), net.clone()).unwrap();
    let route = crate::harness::Route { net, behavior };
    let mut old = route.connect("").await;
    old.ask("a").await;
    for name in ["two", "three"] {
        plugin.swap(version(name)).await.unwrap();
    }
    let rows = host.plugins.usage();
    assert_eq!(rows.iter().map(|row| (row.version, row.connections)).collect::<Vec<_>>(), [(1, 1), (2, 0), (3, 0)]);
    host.plugins.usage_was_taken(&rows);
    assert_eq!(host.plugins.usage().len(), 3, "the first one is still used");
    old.close(Cause::Client).await.unwrap().proceeds();
    drop(old);
    let rows = loop {
        let rows = host.plugins.usage();
        if rows[0].is_final {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((rows[0].calls, rows[0].messages_received), (4, 1));
    host.plugins.usage_was_taken(&rows);
    assert_eq!(host.plugins.usage().len(), 2);
}
