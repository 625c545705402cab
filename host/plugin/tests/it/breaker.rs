//! A route whose instances keep dying is left alone for a while. The time is stopped.

use crate::harness::{Expect, Host, Route, config, guest, request};
use socklet_core::{CallError, Cause};
use socklet_plugin::{DeathRate, InstancePolicy, RouteInstances};
use std::time::Duration;
use tokio::{runtime::Handle, time::sleep};

const OPEN: &str = "plugin_breakers_open";

async fn route(host: &Host, deaths: u32) -> Route {
    let per = Duration::from_secs(60);
    let max_deaths = Some(DeathRate { deaths, per });
    let instances = RouteInstances { policy: InstancePolicy::Connection, hibernate_after: None, max_deaths };
    host.route_with(config(guest("sleepy")), instances).await
}

async fn dies(route: &Route) {
    let mut client = route.connect("").await;
    assert!(matches!(client.say("trap").await, Err(CallError::Died { .. })));
    client.close(Cause::PluginFailed).await.unwrap().proceeds();
}

async fn refused(route: &Route) -> Duration {
    match route.upgrade(request("")).await {
        Err(CallError::Resting { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_dying_is_left_alone_for_a_while() {
    let host = Host::with(|config| config.time = Some(Handle::current()));
    let (bad, good) = (route(&host, 5).await, route(&host, 5).await);
    let mut old = bad.connect("").await;
    for _ in 0..5 {
        assert_eq!(host.metric(OPEN), 0.0);
        dies(&bad).await;
    }
    assert_eq!(host.metric(OPEN), 1.0);
    assert!(refused(&bad).await <= Duration::from_secs(1));
    // Those that are there stay, and so do other routes.
    assert_eq!(old.ask("count").await, "1");
    dies(&good).await;
    assert_eq!(good.connect("").await.ask("count").await, "1");

    // A trial that goes wrong.
    sleep(Duration::from_millis(1_001)).await;
    dies(&bad).await;
    assert!(refused(&bad).await > Duration::from_secs(1));
    sleep(Duration::from_millis(2_001)).await;
    // One that goes well.
    for _ in 0..3 {
        assert_eq!(bad.connect("").await.ask("count").await, "1");
    }
    assert!(refused(&bad).await <= Duration::from_secs(2));
    sleep(Duration::from_millis(2_001)).await;
    for _ in 0..10 {
        bad.connect("").await;
    }
    assert_eq!(host.metric(OPEN), 0.0);
    dies(&bad).await;
    assert_eq!(host.metric(OPEN), 0.0);
}
