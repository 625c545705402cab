//! What guests can reach, and what they cannot.

use crate::harness::{Expect, Host, config, field, guest, request};
use socklet_core::{CloseFrame, Connections, Event, Message, Principal};
use socklet_plugin::InstancePolicy;

#[tokio::test]
async fn the_connections_of_the_route_are_there() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let (mut a, b) = (route.connect("").await, route.connect("").await);
    assert_eq!(a.ask("me").await, format!("{{\"ok\":{}}}", a.id));
    assert_eq!(a.ask("count").await, "{\"ok\":2}");
    a.ask(&format!("send {} hello", b.id)).await;
    assert_eq!(b.received(), ["hello"]);
    assert!(a.ask("send 1 hello").await.contains("unknown"));
    a.ask("send-all-but-me news").await;
    assert_eq!(b.received(), ["news"]);
    assert_eq!(a.ask("queued").await, "{\"ok\":0}");
    assert_eq!(a.ask("flush").await, "{\"ok\":null}");
    a.say("frame ping true x").await.unwrap().proceeds();
    assert_eq!(a.received()[0], "frame ping true x");
    assert!(a.ask("frame close true x").await.contains("invalid"));
    a.ask(&format!("close {} 4001 out", b.id)).await;
    assert_eq!(route.net.closed(b.id), Some(CloseFrame::from_application(4001, "out").unwrap()));
    assert!(a.ask(&format!("close {} 1006 out", b.id)).await.contains("invalid"));
    let big = "x".repeat((1 << 20) + 1);
    assert!(a.ask(&format!("send {} {big}", b.id)).await.contains("other: larger than the send queue"));
}

#[tokio::test]
async fn binary_messages_pass_unchanged() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    let bytes: Vec<u8> = (0..=255).collect();
    client.call(Event::Message(Message::Binary(bytes.clone().into()))).await.unwrap().proceeds();
    assert_eq!(route.net.queued(client.id), 256);
}

#[tokio::test]
async fn attachments_principals_topics_and_the_heartbeat_are_there() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let (mut a, b) = (route.connect("").await, route.connect("").await);
    a.ask("attach note").await;
    assert_eq!(a.ask("attachment").await, "{\"ok\":\"note\"}");
    assert!(a.ask("attach-bytes 16385").await.contains("full"));
    assert_eq!(a.ask("principal").await, "{\"ok\":null}");
    route
        .net
        .set_principal(a.id, Principal::new("ada".into(), vec![("role".into(), "admin".into())], Some(7)).unwrap());
    let principal = a.ask("principal").await;
    assert!(principal.contains("ada") && principal.contains("admin") && principal.contains('7'), "{principal}");
    a.ask("subscribe news").await;
    assert_eq!(a.ask("subscribers news").await, format!("{{\"ok\":[{}]}}", a.id));
    assert_eq!(a.ask("publish-but-me news x").await, "{\"ok\":0}");
    a.ask("unsubscribe news").await;
    assert_eq!(a.ask("subscribers news").await, "{\"ok\":[]}");
    assert!(a.ask("heartbeat").await.contains("20"));
    a.ask("heartbeat-interval 5").await;
    a.ask("heartbeat-payload tick").await;
    let heartbeat = route.net.heartbeat();
    assert_eq!((heartbeat.interval().as_secs(), heartbeat.payload().as_ref()), (5, "tick"));
    assert!(a.ask("heartbeat-interval 0").await.contains("error"));
    drop(b);
}

#[tokio::test]
async fn settings_are_the_plugins_own() {
    let host = Host::new();
    let mut config = config(guest("reporter"));
    config.settings.insert("greeting".into(), "hello".into());
    let route = host.route_with(config, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(client.ask("setting greeting").await, "{\"ok\":\"hello\"}");
    assert_eq!(client.ask("setting other").await, "{\"ok\":null}");
}

#[tokio::test]
async fn the_world_outside_is_not_there() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    let env = client.ask("env").await;
    assert!(env.contains("\"variables\":[]") && env.contains("\"arguments\":0"), "{env}");
    for command in ["files", "network"] {
        let answer = client.ask(command).await;
        assert!(!answer.contains("\"ok\",") && !answer.contains(":\"ok\""), "{answer}");
    }
    assert!(client.ask("clock").await.contains("\"thread_slept\":true"));
    assert_ne!(client.ask("random").await, client.ask("random").await);
}

#[tokio::test]
async fn credentials_are_seen_only_where_granted() {
    let host = Host::new();
    for granted in [false, true] {
        let mut config = config(guest("reporter"));
        config.grants.credentials = granted;
        let route = host.route_with(config, InstancePolicy::Connection).await;
        let mut request = request("");
        request.headers = vec![
            field("authorization", "Basic s3cret"),
            field("cookie", "s3cret"),
            field("proxy-authorization", "s3cret"),
            field("accept", "*/*"),
        ];
        let mut client = route.accept(request).await;
        client.call(Event::Open).await.unwrap().proceeds();
        let seen = client.ask("request").await;
        assert!(seen.contains("*/*"), "{seen}");
        assert_eq!(seen.matches("s3cret").count(), if granted { 3 } else { 0 }, "{seen}");
    }
}

#[tokio::test]
async fn the_request_is_passed_as_it_came() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut request = request("a=b");
    request.captures = vec![("room".into(), "blue".into())];
    request.attributes = vec![("tenant".into(), "acme".into())];
    let mut client = route.accept(request).await;
    client.call(Event::Open).await.unwrap().proceeds();
    let seen = client.ask("request").await;
    for part in ["a=b", "blue", "acme", "127.0.0.1", "4711", "localhost", "main"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
}

#[tokio::test]
async fn before_the_open_nothing_can_be_sent() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.accept(request("early")).await;
    client.call(Event::Open).await.unwrap().proceeds();
    assert!(client.ask("early").await.contains("not-open"));
}

#[tokio::test]
async fn the_guests_own_close_is_an_answer() {
    let host = Host::new();
    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    let frame = client.say("fail 4002 no").await.unwrap().closes();
    assert_eq!(frame, CloseFrame::from_application(4002, "no").unwrap());
    assert!(client.session.lifeline().death().is_none());
    let mut client = route.accept(request("deny-open")).await;
    assert_eq!(client.call(Event::Open).await.unwrap().closes().code().get(), 4000);
}
