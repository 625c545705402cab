//! Guests that die: each by itself, with the right kind, and with an `on-close` on a fresh instance.

use crate::harness::{Client, Expect, Host, Route, config, guest, request};
use socklet_core::{Answer, CallError, Cause, DeathKind, Event, Upgraded};
use socklet_plugin::InstancePolicy;
use std::time::Duration;

fn kind(outcome: Result<Answer, CallError>) -> DeathKind {
    match outcome {
        Err(CallError::Died { kind, .. }) => kind,
        other => panic!("not a death: {other:?}"),
    }
}

/// A route whose guest has time for anything but spinning, however busy the machine is.
async fn patient(host: &Host, name: &str) -> Route {
    let mut config = config(guest(name));
    config.limits.timeout = Some(Duration::from_secs(10));
    host.route_with(config, InstancePolicy::Connection).await
}

async fn dies(host: &Host, guest: &str, text: &str) -> DeathKind {
    dies_on(patient(host, guest).await, text).await
}

async fn dies_on(route: Route, text: &str) -> DeathKind {
    let mut client = route.connect("").await;
    let died = kind(client.say(text).await);
    assert!(client.session.lifeline().death().is_some());
    assert_eq!(kind(client.say("again").await), died, "a dead instance stays dead");
    died
}

async fn upgrade_dies(host: &Host, guest: &str, query: &str) -> DeathKind {
    upgrade_dies_on(patient(host, guest).await, query).await
}

async fn upgrade_dies_on(route: Route, query: &str) -> DeathKind {
    match route.upgrade(request(query)).await {
        Err(CallError::Died { kind, .. }) => kind,
        other => panic!("not a death: {other:?}"),
    }
}

/// What the last obituary said.
async fn obituary(watcher: &Client) -> String {
    watcher.received().pop().expect("an obituary")
}

#[tokio::test]
async fn a_trap_is_a_trap() {
    let host = Host::new();
    assert_eq!(dies(&host, "trap_message", "trap").await, DeathKind::Trap);
    assert_eq!(host.metric("plugin_traps_total{reason=\"trap\"}"), 1.0);
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-message\",outcome=\"trap\"}"), 1.0);
    assert_eq!(host.metric("plugin_instances{state=\"live\"}"), 0.0);
    assert_eq!(host.metric("plugin_memory_bytes"), 0.0);
}

#[tokio::test]
async fn spinning_is_cut_at_the_deadline() {
    let host = Host::new();
    let route = host.route("spin_message", InstancePolicy::Connection).await;
    assert_eq!(dies_on(route, "spin").await, DeathKind::Deadline);
    let route = host.route("spin_upgrade", InstancePolicy::Connection).await;
    assert_eq!(upgrade_dies_on(route, "").await, DeathKind::Deadline);
}

#[tokio::test]
async fn spinning_while_arguments_are_passed_is_cut_too() {
    let host = Host::new();
    let route = host.route("spin_realloc", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(client.ask("arm").await, "armed");
    assert_eq!(kind(client.say("anything").await), DeathKind::Deadline);
}

#[tokio::test]
async fn spinning_at_open_and_close_is_cut() {
    let host = Host::new();
    let route = host.route("spin_open", InstancePolicy::Connection).await;
    let mut client = route.accept(request("")).await;
    assert_eq!(kind(client.call(Event::Open).await), DeathKind::Deadline);

    let route = host.route("spin_close", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(kind(client.close(Cause::Client).await), DeathKind::Deadline);
}

#[tokio::test]
async fn traps_in_every_hook_are_told() {
    let host = Host::new();
    assert_eq!(upgrade_dies(&host, "trap_upgrade", "").await, DeathKind::Trap);
    let route = host.route("trap_open", InstancePolicy::Connection).await;
    let mut client = route.accept(request("")).await;
    assert_eq!(kind(client.call(Event::Open).await), DeathKind::Trap);
    let route = host.route("trap_close", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(kind(client.close(Cause::Client).await), DeathKind::Trap);
}

#[tokio::test]
async fn recursion_ends_at_the_stack() {
    assert_eq!(dies(&Host::new(), "recurse", "recurse").await, DeathKind::Stack);
}

#[tokio::test]
async fn waiting_is_bounded() {
    let host = Host::new();
    let mut config = config(guest("sleeper"));
    config.limits.wait = Some(Duration::from_millis(50));
    let route = host.route_with(config, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(kind(client.say("sleep").await), DeathKind::Timeout);
}

#[tokio::test]
async fn memory_is_bounded_and_a_guest_may_live_with_that() {
    let host = Host::new();
    let route = patient(&host, "exhaust_memory").await;
    let mut client = route.connect("").await;
    let answer = client.ask("grow").await;
    let taken: u32 = answer.strip_prefix("refused after ").unwrap().strip_suffix(" MiB").unwrap().parse().unwrap();
    assert!((48..64).contains(&taken), "{taken}");
    assert!(host.metric("plugin_memory_bytes") <= f64::from(64 << 20));
    // What it cannot live with is the host's need for memory in it.
    assert_eq!(kind(client.say(&"x".repeat(2 << 20)).await), DeathKind::Memory);
}

#[tokio::test]
async fn handles_are_bounded() {
    assert_eq!(dies(&Host::new(), "leak_handles", "leak").await, DeathKind::HostCalls);
}

#[tokio::test]
async fn a_flood_of_broadcasts_ends_the_guest() {
    assert_eq!(dies(&Host::new(), "flood_send", "flood-all").await, DeathKind::HostCalls);
}

#[tokio::test]
async fn a_flood_of_sends_is_answered_first() {
    let host = Host::new();
    let route = patient(&host, "flood_send").await;
    let mut client = route.connect("").await;
    client.say("flood").await.unwrap().proceeds();
    assert!(client.received().len() as u64 <= (64 << 20) / (64 << 10));
}

#[tokio::test]
async fn invalid_answers_end_the_guest() {
    let host = Host::new();
    for text in ["1006", "1005", "999", "2000", "65535", "long"] {
        assert_eq!(dies(&host, "bad_code", text).await, DeathKind::InvalidAnswer, "{text}");
    }
    for query in ["status=101", "status=99", "status=600", "body=65537"] {
        assert_eq!(upgrade_dies(&host, "bad_upgrade", query).await, DeathKind::InvalidAnswer, "{query}");
    }
}

#[tokio::test]
async fn forged_memory_is_noticed() {
    let host = Host::new();
    for text in ["utf8", "bounds", "wrap"] {
        assert_eq!(dies(&host, "bad_memory", text).await, DeathKind::Trap, "{text}");
    }
    assert_eq!(upgrade_dies(&host, "bad_memory", "aliased").await, DeathKind::HostCalls);
}

#[tokio::test]
async fn an_orphan_gets_its_close_on_a_fresh_instance() {
    let host = Host::new();
    let route = host.route("trap_message", InstancePolicy::Connection).await;
    let mut watcher = route.connect("").await;
    assert_eq!(watcher.ask("watch").await, "watching");
    let mut client = route.connect("").await;
    let died = client.say("trap").await.unwrap_err();
    assert_eq!(client.session.lifeline().died().await, died.event());
    client.close(Cause::PluginFailed).await.unwrap().proceeds();
    let obituary = obituary(&watcher).await;
    for part in ["\"cause\":\"plugin-failed\"", "\"fresh\":true", "\"code\":1000", "\"messages_sent\":2"] {
        assert!(obituary.contains(part), "{obituary}");
    }
    assert_eq!(watcher.ask("still here").await, "still here");
}

#[tokio::test]
async fn a_death_ends_everybody_on_the_instance_and_nobody_else() {
    let host = Host::new();
    let route = host.route("trap_message", InstancePolicy::Shared).await;
    let (mut first, mut second) = (route.connect("").await, route.connect("").await);
    let event = first.say("trap").await.unwrap_err().event();
    assert_eq!(second.session.lifeline().death(), Some(event));
    assert_eq!(kind(second.say("hello").await), DeathKind::Trap);

    let mut third = route.connect("").await;
    assert_eq!(third.ask("hello").await, "hello");
    first.close(Cause::PluginFailed).await.unwrap().proceeds();
    second.close(Cause::PluginFailed).await.unwrap().proceeds();
    assert_eq!(third.ask("hello").await, "hello");
    assert!(third.session.lifeline().death().is_none());
}

#[tokio::test]
async fn an_orphans_fatal_close_harms_nobody() {
    let host = Host::new();
    let route: Route = host.route("trap_close", InstancePolicy::Shared).await;
    let (mut first, mut second) = (route.connect("").await, route.connect("").await);
    // Kills the shared instance.
    assert_eq!(kind(first.close(Cause::Client).await), DeathKind::Trap);
    let mut third = route.connect("").await;
    // Runs, and traps, on an instance of its own.
    assert_eq!(kind(second.close(Cause::PluginFailed).await), DeathKind::Trap);
    assert_eq!(third.ask("hello").await, "hello");
}

#[tokio::test]
async fn a_call_that_is_given_up_ends_its_instance() {
    let host = Host::new();
    let route = host.route("sleeper", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    let call = client.session.call(Event::Message(socklet_core::Message::Text("sleep".into())));
    assert!(matches!(call, socklet_core::Call::Pending(_)));
    drop(call);
    client.session.lifeline().died().await;
    client.close(Cause::Disconnected).await.unwrap().proceeds();
    drop(client);
    assert_eq!(host.metric("plugin_traps_total{reason=\"canceled\"}"), 1.0);
}

#[tokio::test]
async fn a_panic_of_the_host_is_not_the_guests_death() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let (mut a, b) = (route.connect("").await, route.connect("").await);
    route.net.break_down();
    let error = a.say("count").await.unwrap_err();
    assert!(matches!(error, CallError::Host { .. }), "{error}");
    // What the instance holds is not to be trusted after that: it is gone for everybody.
    assert_eq!(b.session.lifeline().death(), Some(error.event()));
    a.close(Cause::Host).await.unwrap().proceeds();
    assert!(route.connect("").await.ask("me").await.contains("ok"));
}

#[tokio::test]
async fn an_upgrade_that_is_answered_keeps_nothing() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    match route.upgrade(request("reject")).await.unwrap() {
        Upgraded::Answered(response) => assert_eq!(response.status, 418),
        Upgraded::Accepted(..) => panic!("accepted"),
    }
    assert_eq!(host.metric("plugin_instances{state=\"live\"}"), 0.0);
}
