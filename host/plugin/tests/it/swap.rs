//! New versions take over while connections stay, and give way when they fail. The time is stopped: what waits is done at once.

use crate::harness::{Client, Expect, Host, Net, Route, config, guest, request, tenant};
use bytes::Bytes;
use socklet_core::{Authenticator, Cause, Upgraded, Verdict};
use socklet_plugin::{
    InstancePolicy, LoadError, NothingBefore, OnSwap, Plugin, PluginConfig, RouteInstances, Source, Swapped,
    VersionRole, When,
};
use std::{sync::Arc, task::Poll, time::Duration};
use tokio::{runtime::Handle, time::sleep};

/// A plugin on a route.
struct Fixture {
    host: Host,
    plugin: Plugin,
    route: Route,
}

impl Fixture {
    async fn new(config: PluginConfig, instances: impl Into<RouteInstances>) -> Self {
        let host = Host::with(|config| config.time = Some(Handle::current()));
        let plugin = host.load(config).await.unwrap();
        let net = Arc::new(Net::default());
        let (tenant, route) = (tenant(), "main".parse().unwrap());
        let behavior = plugin.behavior(&tenant, &route, instances.into(), net.clone()).unwrap();
        Self { host, plugin, route: Route { net, behavior } }
    }

    async fn of(policy: InstancePolicy) -> Self {
        Self::new(version("one"), policy).await
    }

    async fn swap(&self, config: PluginConfig) {
        // A component is compiled in the machine's time: ours stands still meanwhile.
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let still = tokio::task::spawn_blocking(move || wait.recv());
        assert!(matches!(self.plugin.swap(config).await.unwrap(), Swapped::To(_)));
        drop(done);
        still.await.unwrap().unwrap_err();
    }

    /// Waits until so many instances have made way.
    async fn moved(&self, instances: u32) {
        self.host.until("plugin_recycled_total{reason=\"version\"}", instances.into()).await;
    }

    async fn swaps(&self, outcome: &str, swaps: u32) {
        self.host.until(&format!("plugin_swaps_total{{outcome=\"{outcome}\"}}"), swaps.into()).await;
    }

    fn roles(&self) -> Vec<(u32, VersionRole)> {
        self.plugin.versions().iter().map(|version| (version.version, version.role)).collect()
    }

    /// Which version decides on a new connection.
    async fn greets(&self) -> String {
        match self.route.upgrade(request("")).await.unwrap() {
            Upgraded::Accepted(acceptance, _) => acceptance.headers[0].value.to_string(),
            Upgraded::Answered(response) => panic!("{response:?}"),
        }
    }
}

/// What is different between versions is in the settings.
fn version(name: &str) -> PluginConfig {
    dying(name, "")
}

fn dying(name: &str, dies: &str) -> PluginConfig {
    let settings = [("version", name), ("dies", dies)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    PluginConfig { settings: settings.into(), ..config(guest("versioned")) }
}

fn plain(name: &str) -> PluginConfig {
    PluginConfig { source: guest("versioned_plain").into(), ..version(name) }
}

async fn proves_itself(client: &mut Client) {
    for _ in 0..100 {
        client.ask("go on").await;
    }
}

#[tokio::test(start_paused = true)]
async fn connections_go_on_with_a_new_version_and_back() {
    for policy in [InstancePolicy::Connection, InstancePolicy::Shared] {
        let fixture = Fixture::of(policy).await;
        let mut client = fixture.route.connect("").await;
        assert_eq!(client.ask("a").await, "one 1");
        fixture.swap(version("two")).await;
        fixture.moved(1).await;
        assert_eq!(client.ask("b").await, "two 2", "it has not forgotten");
        assert_eq!(fixture.greets().await, "two");
        fixture.plugin.roll_back().unwrap();
        fixture.moved(2).await;
        assert_eq!(client.ask("c").await, "one 3");
        fixture.plugin.roll_back().unwrap();
        fixture.moved(3).await;
        assert_eq!(client.ask("d").await, "two 4");
        client.close(Cause::Client).await.unwrap().proceeds();
        fixture.swaps("ok", 1).await;
        fixture.swaps("rolled-back", 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_sleeps_wakes_up_in_the_new_version() {
    let instances = RouteInstances {
        policy: InstancePolicy::Connection,
        hibernate_after: Some(Duration::from_secs(10)),
        max_deaths: None,
    };
    let fixture = Fixture::new(version("one"), instances).await;
    let mut client = fixture.route.connect("").await;
    client.ask("a").await;
    sleep(Duration::from_secs(11)).await;
    fixture.host.until("plugin_instances{state=\"hibernated\"}", 1.0).await;
    fixture.swap(version("two")).await;
    fixture.swap(version("three")).await;
    // Nobody keeps the first one.
    while fixture.roles() != [(3, VersionRole::Trial), (2, VersionRole::Before)] {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.plugin.versions()[1].hibernated, 1, "the second one would wake it");
    assert_eq!(client.ask("b").await, "three 2");
}

#[tokio::test(start_paused = true)]
async fn the_same_again_is_no_new_version() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    assert_eq!(fixture.plugin.swap(version("one")).await.unwrap(), Swapped::Unchanged);
    assert_eq!(fixture.plugin.roll_back(), Err(NothingBefore));
    assert_eq!(fixture.roles(), [(1, VersionRole::Current)]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_load_is_refused() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let mut client = fixture.route.connect("").await;
    for (file, word) in [("start_trap", "cannot be started"), ("no_exports", "fit"), ("auth_grant", "an authenticator")]
    {
        let error = fixture.plugin.swap(config(guest(file))).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let missing = PluginConfig { source: "/nowhere".into(), ..version("two") };
    assert!(matches!(fixture.plugin.swap(missing).await, Err(LoadError::Read { .. })));
    fixture.swaps("refused", 4).await;
    assert_eq!(client.ask("a").await, "one 1");
    assert_eq!(fixture.greets().await, "one");
}

#[tokio::test(start_paused = true)]
async fn a_component_may_come_as_bytes() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let mut client = fixture.route.connect("").await;
    let bytes = |name: &str| Source::Bytes(std::fs::read(guest(name)).unwrap().into());
    let same = PluginConfig { source: bytes("versioned"), ..version("one") };
    assert_eq!(fixture.plugin.swap(same).await.unwrap(), Swapped::Unchanged);
    fixture.swap(PluginConfig { source: bytes("versioned"), ..version("two") }).await;
    fixture.moved(1).await;
    assert_eq!(client.ask("a").await, "two 1");
    let none = PluginConfig { source: Source::Bytes(Bytes::from_static(b"not a component")), ..version("three") };
    assert!(matches!(fixture.plugin.swap(none).await, Err(LoadError::NotAComponent(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_does_not_serve_until_it_is_installed() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    drop(fixture.plugin.load_next(version("never"), When::Now).await.unwrap());
    let next = fixture.plugin.load_next(version("two"), When::Now).await.unwrap();
    assert_eq!(fixture.greets().await, "one");
    assert_eq!(fixture.roles(), [(1, VersionRole::Current)]);
    assert!(matches!(next.install(), Swapped::To(status) if status.version == 2));
    assert_eq!(fixture.greets().await, "two");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_dies_gives_way_and_nobody_notices() {
    for dies in ["load", "message"] {
        let fixture = Fixture::of(InstancePolicy::Connection).await;
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut client = fixture.route.connect("").await;
            client.ask("a").await;
            clients.push(client);
        }
        fixture.swap(dying("two", dies)).await;
        fixture.moved(10).await;
        for client in &mut clients {
            assert_eq!(client.ask("b").await, "one 2", "{dies}");
        }
        fixture.swaps("failed-trial", 1).await;
        assert_eq!(fixture.roles(), [(1, VersionRole::Current)]);
        assert_eq!(fixture.greets().await, "one");
        for client in &mut clients {
            assert_eq!(client.ask("c").await, "one 3");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_lets_nobody_in_gives_way() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    fixture.swap(dying("two", "upgrade")).await;
    assert_eq!(fixture.greets().await, "one", "who comes first does not notice either");
    fixture.swaps("failed-trial", 1).await;
    assert_eq!(fixture.greets().await, "one");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_turned_away_before_a_version_that_failed_is_gone() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    fixture.swap(dying("two", "upgrade")).await;
    // Nobody else runs on this thread in between.
    for _ in 0..3 {
        assert_eq!(fixture.greets().await, "one");
    }
    fixture.swaps("failed-trial", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_failed_is_not_kept() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let mut client = fixture.route.connect("").await;
    fixture.swap(dying("two", "message")).await;
    fixture.moved(1).await;
    assert_eq!(client.ask("a").await, "one 1");
    fixture.swaps("failed-trial", 1).await;
    let versions = || fixture.host.plugins.usage().iter().map(|row| row.version).collect::<Vec<_>>();
    for _ in 0..1_000 {
        // What is billed is kept for as long as its version.
        fixture.host.plugins.usage_was_taken(&fixture.host.plugins.usage());
        if !versions().contains(&2) {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("{:?}", versions());
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_during_a_swap_is_closed_where_that_is_wanted() {
    let fixture = Fixture::new(config(guest("reporter")), InstancePolicy::Connection).await;
    // The machine's time, in which it was compiled, is not to be ahead of ours.
    sleep(Duration::from_secs(60)).await;
    let mut slow = fixture.route.connect("").await;
    for _ in 0..3 {
        // From now on calls of the route begin on guest threads.
        slow.ask("busy 8").await;
    }
    let settings = [("version".to_owned(), "two".to_owned())].into();
    let next = PluginConfig { on_swap: OnSwap::Close, settings, ..config(guest("reporter")) };
    let next = fixture.plugin.load_next(next, When::Now).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    // A guest thread may be done before anybody looks.
    let accepted = loop {
        let mut accepted = Box::pin(fixture.route.accept(request("")));
        if polled(accepted.as_mut()).await.is_none() {
            break accepted;
        }
    };
    next.install();
    let client = accepted.await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fixture.route.net.closed(client.id).unwrap().code().get(), 1012);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_not_sent_again() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let (mut unlucky, mut other) = (fixture.route.connect("").await, fixture.route.connect("").await);
    other.ask("a").await;
    fixture.swap(dying("two", "sent")).await;
    fixture.moved(2).await;
    unlucky.say("b").await.unwrap_err();
    assert_eq!(unlucky.received(), ["two 1"]);
    fixture.swaps("failed-trial", 1).await;
    unlucky.close(Cause::PluginFailed).await.unwrap().proceeds();
    assert_eq!(other.received(), ["closed one 0"]);
    assert_eq!(other.ask("b").await, "one 2");
}

#[tokio::test(start_paused = true)]
async fn who_has_proved_itself_may_die() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let (mut mortal, mut client) = (fixture.route.connect("").await, fixture.route.connect("").await);
    fixture.swap(dying("two", "timer")).await;
    fixture.moved(2).await;
    assert_eq!(fixture.roles(), [(2, VersionRole::Trial), (1, VersionRole::Before)]);
    proves_itself(&mut client).await;
    assert_eq!(fixture.roles(), [(2, VersionRole::Current), (1, VersionRole::Before)]);
    assert_eq!(mortal.ask("timer 1").await, "two 1");
    sleep(Duration::from_secs(1)).await;
    fixture.host.until("plugin_traps_total{reason=\"trap\"}", 1.0).await;
    assert_eq!(fixture.greets().await, "two");
    mortal.say("a").await.unwrap_err();
    assert_eq!(client.ask("b").await, "two 101");
}

#[tokio::test(start_paused = true)]
async fn timers_survive_and_are_told_to_who_can_hear() {
    let fixture = Fixture::of(InstancePolicy::Connection).await;
    let mut client = fixture.route.connect("").await;
    assert_eq!(client.ask("timer 5000").await, "one 1");
    fixture.swap(version("two")).await;
    fixture.moved(1).await;
    sleep(Duration::from_secs(6)).await;
    client.hears(["timer two 1"]).await;
    // One that dies of it goes back, and the timer is told to the one before.
    assert_eq!(client.ask("timer 5000").await, "two 2");
    fixture.swap(dying("three", "timer")).await;
    fixture.moved(2).await;
    sleep(Duration::from_secs(6)).await;
    client.hears(["timer two 2"]).await;
    fixture.swaps("failed-trial", 1).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_save_stays_to_the_end() {
    for policy in [InstancePolicy::Connection, InstancePolicy::Shared] {
        let fixture = Fixture::new(plain("one"), policy).await;
        let mut old = fixture.route.connect("").await;
        assert_eq!(old.ask("a").await, "one 1");
        fixture.swap(plain("two")).await;
        let mut new = fixture.route.connect("").await;
        assert_eq!(new.ask("a").await, "two 1");
        assert_eq!(old.ask("b").await, "one 2");
        fixture.swap(plain("three")).await;
        assert_eq!(fixture.roles().last(), Some(&(1, VersionRole::Old)));
        old.close(Cause::Client).await.unwrap().proceeds();
        drop(old);
        assert_eq!(fixture.roles().last(), Some(&(2, VersionRole::Before)));
        assert_eq!(new.ask("b").await, "two 2");
        assert!(fixture.route.net.closed(new.id).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_save_is_closed_where_that_is_wanted() {
    let fixture = Fixture::new(plain("one"), InstancePolicy::Connection).await;
    let client = fixture.route.connect("").await;
    fixture.swap(PluginConfig { on_swap: OnSwap::Close, ..plain("two") }).await;
    fixture.swaps("ok", 1).await;
    let closed = loop {
        sleep(Duration::from_millis(100)).await;
        if let Some(frame) = fixture.route.net.closed(client.id) {
            break frame;
        }
    };
    assert_eq!(closed.code().get(), 1012);
}

#[tokio::test(start_paused = true)]
async fn who_refuses_to_save_is_asked_again() {
    let fixture = Fixture::new(dying("one", "refuse"), InstancePolicy::Connection).await;
    let mut client = fixture.route.connect("").await;
    client.ask("a").await;
    fixture.swap(version("two")).await;
    fixture.host.until("plugin_hibernations_total{outcome=\"refused\"}", 1.0).await;
    assert_eq!(client.ask("b").await, "one 2", "it is not lost");
    sleep(Duration::from_secs(20)).await;
    fixture.host.until("plugin_hibernations_total{outcome=\"refused\"}", 2.0).await;
}

#[tokio::test(start_paused = true)]
async fn every_event_gets_the_new_version() {
    let fixture = Fixture::new(plain("one"), InstancePolicy::Event).await;
    let mut client = fixture.route.connect("").await;
    assert_eq!(client.ask("a").await, "one 1");
    fixture.swap(plain("two")).await;
    assert_eq!(client.ask("b").await, "two 1");
    fixture.swap(dying("three", "message")).await;
    assert_eq!(client.ask("c").await, "two 1");
    fixture.swaps("failed-trial", 1).await;
    assert_eq!(client.ask("d").await, "two 1");
}

#[tokio::test]
async fn authenticators_are_swapped_between_requests() {
    let host = Host::new();
    let auth = |name, dies: Option<(&'static str, &'static str)>| {
        let settings = [("version", name)].into_iter().chain(dies).map(|(key, value)| (key.into(), value.into()));
        PluginConfig { settings: settings.collect(), ..config(guest("auth_versioned")) }
    };
    let plugin = host.load(auth("one", None)).await.unwrap();
    let judge = plugin.authenticator(&tenant(), &"main".parse().unwrap()).unwrap();
    let subject = async || match judge.authenticate(Arc::new(request(""))).await.unwrap() {
        Verdict::Grant(principal) => principal.subject().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(subject().await, "one");
    plugin.swap(auth("two", None)).await.unwrap();
    assert_eq!(subject().await, "two");
    plugin.swap(auth("three", Some(("dies", "yes")))).await.unwrap();
    assert_eq!(subject().await, "two", "nobody is turned away because of the new one");
    host.until("plugin_swaps_total{outcome=\"failed-trial\"}", 1.0).await;
    assert_eq!(plugin.versions().len(), 1);
    assert_eq!(subject().await, "two");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_closed_for_a_version_that_is_gone_again() {
    let fixture = Fixture::new(plain("one"), InstancePolicy::Connection).await;
    let mut clients = Vec::new();
    for _ in 0..250 {
        clients.push(fixture.route.connect("").await);
    }
    let closed = || clients.iter().filter(|client| fixture.route.net.closed(client.id).is_some()).count();
    fixture.swap(PluginConfig { on_swap: OnSwap::Close, ..plain("two") }).await;
    while closed() == 0 {
        tokio::task::yield_now().await;
    }
    // Those who are still there are of the version that takes over again.
    fixture.plugin.roll_back().unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(closed(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_wakes_up_while_the_version_goes_back_goes_back_too() {
    let instances = RouteInstances {
        policy: InstancePolicy::Connection,
        hibernate_after: Some(Duration::from_secs(10)),
        max_deaths: None,
    };
    let counted = |version: &str| PluginConfig { source: guest("counted").into(), ..self::version(version) };
    let fixture = Fixture::new(counted("one"), instances).await;
    let mut client = fixture.route.connect("").await;
    assert_eq!(client.ask("a").await, "one 1");
    sleep(Duration::from_secs(11)).await;
    fixture.host.until("plugin_instances{state=\"hibernated\"}", 1.0).await;
    fixture.swap(counted("two")).await;
    // It wakes up in the new version, and leaves this thread before it answers.
    let mut call = Box::pin(client.ask("busy 10000000"));
    assert!(polled(call.as_mut()).await.is_none(), "it takes long");
    fixture.plugin.roll_back().unwrap();
    assert_eq!(call.await, "two 2");
    fixture.moved(1).await;
    assert_eq!(client.ask("b").await, "one 3");
}

/// What comes of a future that is polled once.
async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
