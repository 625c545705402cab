//! Which connections share an instance, how long it lives, and who waits for whom.

use crate::harness::{Client, Expect, Host, config, guest, request};
use socklet_core::{Call, Cause, Event, Message};
use socklet_plugin::InstancePolicy;
use std::time::Duration;

async fn connections(client: &mut Client) -> usize {
    let answer = client.ask("instance").await;
    let (_, list) = answer.split_once("\"connections\":[").expect("a list");
    list.split_once(']').expect("its end").0.split(',').count()
}

async fn live(host: &Host) -> f64 {
    host.metric("plugin_instances{state=\"live\"}")
}

#[tokio::test]
async fn nobody_shares_by_default() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let (mut a, b) = (route.connect("").await, route.connect("").await);
    assert_eq!(connections(&mut a).await, 1);
    assert_eq!(live(&host).await, 2.0);
    drop((a, b));
    assert_eq!(live(&host).await, 0.0);
}

#[tokio::test]
async fn everybody_shares_one_until_the_last_leaves() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    assert_eq!(connections(&mut a).await, 2);
    assert_eq!(live(&host).await, 1.0);
    a.close(Cause::Client).await.unwrap().proceeds();
    drop(a);
    assert_eq!(connections(&mut b).await, 1);
    drop(b);
    assert_eq!(live(&host).await, 0.0);
    let mut c = route.connect("").await;
    assert_eq!(connections(&mut c).await, 1);
}

#[tokio::test]
async fn a_key_decides_who_shares() {
    let host = Host::new();
    let route = host.route("reporter", "key = {room}".parse().unwrap()).await;
    let mut clients = Vec::new();
    for room in ["red", "blue", "red"] {
        let mut request = request("");
        request.captures = vec![("room".into(), room.into())];
        let mut client = route.accept(request).await;
        client.call(Event::Open).await.unwrap().proceeds();
        clients.push(client);
    }
    assert_eq!(live(&host).await, 2.0);
    assert_eq!(connections(&mut clients[0]).await, 2);
    assert_eq!(connections(&mut clients[1]).await, 1);
    clients.truncate(2);
    assert_eq!(live(&host).await, 2.0);
    clients.truncate(1);
    assert_eq!(live(&host).await, 1.0);
}

#[tokio::test]
async fn a_route_without_the_keys_capture_fails_as_the_hosts_fault() {
    let host = Host::new();
    let route = host.route("reporter", "key = {room}".parse().unwrap()).await;
    let error = route.upgrade(request("")).await.unwrap_err();
    assert!(matches!(error, socklet_core::CallError::Host { .. }), "{error}");
}

#[tokio::test]
async fn callers_of_one_instance_wait_in_order() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(route.connect("").await);
    }
    let mut calls = Vec::new();
    for client in &mut clients {
        let Call::Pending(call) = client.session.call(Event::Message(Message::Text("flush".into()))) else {
            panic!("a flush is never done at once here");
        };
        calls.push(tokio::spawn(call));
    }
    for call in calls {
        call.await.unwrap().unwrap().proceeds();
    }
    for client in &mut clients {
        assert_eq!(client.received(), ["{\"ok\":null}"]);
    }
    assert_eq!(live(&host).await, 1.0);
}

#[tokio::test]
async fn who_gives_up_waiting_harms_nobody() {
    let host = Host::new();
    let route = host.route("sleeper", InstancePolicy::Shared).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    let Call::Pending(sleeping) = a.session.call(Event::Message(Message::Text("sleep".into()))) else {
        panic!("sleeping is never done at once");
    };
    let waiting = b.session.call(Event::Message(Message::Text("hello".into())));
    assert!(matches!(waiting, Call::Pending(_)));
    drop(waiting);
    assert!(a.session.lifeline().death().is_none());
    // Giving up the call that is going on is another matter.
    drop(sleeping);
    a.session.lifeline().died().await;
}

#[tokio::test]
async fn waiting_for_others_is_bounded() {
    let host = Host::new();
    let mut config = config(guest("sleeper"));
    config.limits.wait = Some(Duration::from_millis(300));
    let route = host.route_with(config, InstancePolicy::Shared).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    let Call::Pending(sleeping) = a.session.call(Event::Message(Message::Text("sleep".into()))) else {
        panic!("sleeping is never done at once");
    };
    // The sleeper is cut, or the waiting is, whichever clock comes first: never an answer.
    let (waited, slept) = tokio::join!(b.say("hello"), sleeping);
    waited.unwrap_err();
    slept.unwrap_err();
}

#[tokio::test]
async fn a_full_pool_refuses_for_now() {
    let host = Host::with_instances(2);
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let (_a, b) = (route.connect("").await, route.connect("").await);
    let error = route.upgrade(request("")).await.unwrap_err();
    assert!(matches!(error, socklet_core::CallError::Busy { .. }), "{error}");
    drop(b);
    route.connect("").await;
}

#[tokio::test]
async fn a_session_that_is_never_opened_leaves_nothing() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    drop(route.accept(request("")).await);
    assert_eq!(live(&host).await, 0.0);
}

#[tokio::test]
async fn many_come_and_go() {
    let host = Host::with_instances(8);
    let route = host.route("reporter", InstancePolicy::Connection).await;
    for _ in 0..500 {
        let mut client = route.connect("").await;
        client.ask("me").await;
        client.close(Cause::Client).await.unwrap().proceeds();
    }
    assert_eq!(live(&host).await, 0.0);
    assert_eq!(host.metric("plugin_memory_bytes"), 0.0);
}
