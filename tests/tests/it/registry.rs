//! What plugins can do with connections: every function of the contract, over sockets.

use serde_json::{Value, json};
use socklet_tests::{Client, Server};

/// Three routes with the same plugin: two of one tenant, one of another.
const ROUTES: &str = "
    [[route]]
    path = '/a'
    behavior = 'main'
    [[route]]
    path = '/b'
    behavior = 'main'
    [[route]]
    tenant = 'acme'
    path = '/c'
    behavior = 'main'
    [plugin.main]
    source = 'guest:reporter'
";

async fn id(client: &mut Client) -> u64 {
    client.command("me").await.as_u64().unwrap()
}

fn sorted(ids: Value) -> Vec<u64> {
    let mut ids: Vec<u64> = serde_json::from_value(ids).unwrap();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_counts_are_those_of_the_route() {
    let server = Server::start(ROUTES).await;
    let (mut a, mut b) = (server.open("/a").await, server.open("/a").await);
    let (mut elsewhere, mut stranger) = (server.open("/b").await, server.open("/c").await);
    let mut ids = vec![id(&mut a).await, id(&mut b).await];
    ids.sort_unstable();
    assert_ne!(ids[0], ids[1]);
    assert!(ids[1] < 1 << 53);
    assert_eq!(sorted(a.command("ids").await), ids);
    assert_eq!(a.command("count").await, 2);
    assert_eq!(elsewhere.command("count").await, 1);
    assert_eq!(stranger.command("ids").await, json!([id(&mut stranger).await]));
    b.close(1000, "").await;
    // The registry forgets a connection before its socket is closed.
    assert_eq!(a.command("count").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_another_route_or_tenant_is_unknown() {
    let server = Server::start(ROUTES).await;
    let mut me = server.open("/a").await;
    let (mut elsewhere, mut stranger) = (server.open("/b").await, server.open("/c").await);
    let mut gone = server.open("/a").await;
    let former = id(&mut gone).await;
    gone.close(1000, "").await;
    server.until_metric("socklet_connections", 3.0).await;
    for other in [id(&mut elsewhere).await, id(&mut stranger).await, former, 0, 1, (1 << 53) - 1, u64::MAX] {
        assert_eq!(me.command_error(&format!("send {other} hello")).await, "unknown", "{other}");
        assert_eq!(me.command_error(&format!("close {other} 4001 out")).await, "unknown", "{other}");
        assert_eq!(me.command_error(&format!("attach-to {other} x")).await, "unknown", "{other}");
        assert_eq!(me.command(&format!("attachment {other}")).await, "", "{other}");
        assert_eq!(me.command(&format!("principal-of {other}")).await, Value::Null, "{other}");
    }
    for other in [&mut elsewhere, &mut stranger] {
        assert_eq!(other.ask("echo untouched").await, "untouched");
        assert_eq!(other.command("attachment").await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_whom_they_are_for() {
    let server = Server::start(ROUTES).await;
    let (mut a, mut b, mut c) = (server.open("/a").await, server.open("/a").await, server.open("/a").await);
    let mut elsewhere = server.open("/b").await;
    let to = id(&mut b).await;
    assert_eq!(a.command(&format!("send {to} hello zażółć")).await, Value::Null);
    b.expect_text("hello zażółć").await;
    a.send("send-binary bytes").await;
    a.expect_binary(b"bytes").await;
    a.expect_text("{\"ok\":null}").await;
    assert_eq!(a.command("send-all-but-me news").await, 2);
    b.expect_text("news").await;
    c.expect_text("news").await;
    a.send("send-all everybody").await;
    a.expect_text("everybody").await;
    a.expect_text("{\"ok\":3}").await;
    b.expect_text("everybody").await;
    c.expect_text("everybody").await;
    assert_eq!(a.command("queued").await, 0);
    assert_eq!(a.command("flush").await, Value::Null);
    assert_eq!(elsewhere.ask("echo nothing came").await, "nothing came");
    let big = "x".repeat(60 << 10);
    assert_eq!(a.ask(&format!("echo {big}")).await, big);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_sent_as_the_rfc_allows() {
    let server = Server::plugin("guest:reporter", "").await;
    let mut wire = server.at("/").wire().await;
    let frame = |first: u8, payload: &str| Some(socklet_tests::Frame { first, payload: payload.into() });
    // A message in three fragments, with a ping in between. Answers are refused until it is complete.
    for command in ["frame text false he", "frame ping true mid", "frame continuation false l", "frame text true no"] {
        wire.frame(0x81, command.as_bytes()).await;
    }
    wire.frame(0x81, b"frame continuation true lo").await;
    assert_eq!(wire.next().await, frame(0x01, "he"));
    assert_eq!(wire.next().await, frame(0x89, "mid"));
    assert_eq!(wire.next().await, frame(0x00, "l"));
    assert_eq!(wire.next().await, frame(0x80, "lo"));
    assert_eq!(wire.next().await, frame(0x81, "{\"ok\":null}"));
    let long = "x".repeat(126);
    for command in
        ["frame continuation true x", "frame close true x", "frame ping false x", &format!("frame ping true {long}")]
    {
        wire.frame(0x81, command.as_bytes()).await;
        assert_eq!(wire.next().await, frame(0x81, "{\"error\":\"invalid\"}"), "{command}");
    }
    for (command, sent) in [
        ("frame binary true b", frame(0x82, "b")),
        ("frame pong true p", frame(0x8a, "p")),
        ("frame text true t", frame(0x81, "t")),
    ] {
        wire.frame(0x81, command.as_bytes()).await;
        assert_eq!(wire.next().await, sent);
        assert_eq!(wire.next().await, frame(0x81, "{\"ok\":null}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_asked_for_once_and_with_a_code_that_may_be_sent() {
    let server = Server::plugin("guest:reporter", "").await;
    let (mut me, mut other) = (server.open("/").await, server.open("/").await);
    let to = id(&mut other).await;
    for code in [0, 999, 1002, 1004, 1005, 1006, 1015, 2000, 5000] {
        assert_eq!(me.command_error(&format!("close {to} {code} x")).await, "invalid", "{code}");
    }
    let long = "x".repeat(124);
    assert_eq!(me.command_error(&format!("close {to} 4000 {long}")).await, "invalid");
    me.command(&format!("close {to} 4000 first")).await;
    assert_eq!(me.command_error(&format!("send {to} more")).await, "unknown", "it is closing");
    assert_eq!(other.expect_close(4000).await, "first");
    assert_eq!(me.ask("echo still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_stay_with_their_connection() {
    let server = Server::plugin("guest:reporter", "").await;
    let (mut a, mut b) = (server.open("/?attach=early").await, server.open("/").await);
    let (of_a, of_b) = (id(&mut a).await, id(&mut b).await);
    assert_eq!(a.command("attachment").await, "early");
    assert_eq!(b.command(&format!("attachment {of_a}")).await, "early", "the other's instance sees it, too");
    b.command(&format!("attach-to {of_a} from b")).await;
    assert_eq!(a.command("attachment").await, "from b");
    assert_eq!(a.command(&format!("attachment {of_b}")).await, "");
    a.command("attach-bytes 16384").await;
    assert_eq!(a.command_error("attach-bytes 16385").await, "full");
    assert_eq!(a.command("attachment").await.as_str().unwrap().len(), 16384, "the old value stays");
    a.command("attach-bytes 0").await;
    assert_eq!(a.command("attachment").await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_groups_inside_a_route() {
    let server = Server::start(ROUTES).await;
    let (mut a, mut b, mut c) = (server.open("/a").await, server.open("/a").await, server.open("/a").await);
    let mut elsewhere = server.open("/b").await;
    for client in [&mut a, &mut b, &mut elsewhere] {
        client.command("subscribe news").await;
        client.command("subscribe news").await;
    }
    let mut subscribers = vec![id(&mut a).await, id(&mut b).await];
    subscribers.sort_unstable();
    assert_eq!(sorted(c.command("subscribers news").await), subscribers);
    assert_eq!(c.command("publish news first").await, 2);
    a.expect_text("first").await;
    b.expect_text("first").await;
    assert_eq!(a.command("publish-but-me news second").await, 1);
    b.expect_text("second").await;
    a.command("unsubscribe news").await;
    a.command("unsubscribe never").await;
    assert_eq!(c.command("publish news third").await, 1);
    b.expect_text("third").await;
    b.close(1000, "").await;
    assert_eq!(c.command("subscribers news").await, json!([]), "who is gone is in no topic");
    assert_eq!(c.command("publish nobody x").await, 0);
    assert_eq!(elsewhere.ask("echo nothing came").await, "nothing came");
    for name in ["", &"x".repeat(256)] {
        assert!(!c.command_error(&format!("subscribe {name}")).await.is_empty(), "a name has 1 to 255 bytes");
    }
    c.command(&format!("subscribe {}", "x".repeat(255))).await;
    for number in 1..128 {
        c.command(&format!("subscribe topic-{number}")).await;
    }
    assert!(!c.command_error("subscribe one-too-many").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heartbeat_is_the_routes_and_can_be_changed() {
    let server = Server::start(&format!("{ROUTES}[heartbeat]\ninterval = '1h'\nmessage = 'at first'\n")).await;
    let mut a = server.open("/a").await;
    let mut idle = server.at("/a").wire().await;
    let mut elsewhere = server.open("/b").await;
    assert_eq!(a.command("heartbeat").await, json!({ "interval": 3600, "payload": "at first" }));
    for command in
        ["heartbeat-interval 0", "heartbeat-interval 86401", &format!("heartbeat-payload {}", "x".repeat(126))]
    {
        assert!(!a.command_error(command).await.is_empty(), "{command}");
    }
    a.command("heartbeat-interval 1").await;
    a.command("heartbeat-payload changed").await;
    assert_eq!(a.command("heartbeat").await, json!({ "interval": 1, "payload": "changed" }));
    assert_eq!(elsewhere.command("heartbeat").await, json!({ "interval": 3600, "payload": "at first" }));
    // It reaches a connection that was idle before the change.
    let ping = idle.next().await.unwrap();
    assert_eq!((ping.first, &*ping.payload), (0x89, &b"changed"[..]));
    a.command("heartbeat-payload ").await;
    assert_eq!(a.command("heartbeat").await["payload"], "");
}
