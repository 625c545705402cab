//! Instance policies: who shares memory with whom, and who dies with whom.

use serde_json::json;
use socklet_tests::{Client, Server};

async fn server(guest: &str, instance: &str) -> Server {
    Server::start(&format!(
        "[[route]]\npath = '/{{room}}'\nbehavior = 'main'\ninstance = {instance}\n[plugin.main]\nsource = 'guest:{guest}'\n"
    ))
    .await
}

/// How many connections share the instance, and how many there are on the route.
async fn shares(client: &mut Client) -> (usize, u64) {
    let instance = client.command("instance").await;
    (instance["connections"].as_array().unwrap().len(), client.command("count").await.as_u64().unwrap())
}

/// Waits until the guests know of so many connections: a client may have its 101 a moment before that.
async fn opened(server: &Server, connections: f64) {
    server.until_metric("socklet_plugin_calls_total{hook=\"on-open\"}", connections).await;
}

const LIVE: &str = "socklet_plugin_instances{state=\"live\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_an_instance_of_its_own() {
    let server = server("reporter", "'connection'").await;
    let (mut a, mut b) = (server.open("/red").await, server.open("/red").await);
    opened(&server, 2.0).await;
    assert_eq!((shares(&mut a).await, shares(&mut b).await), ((1, 2), (1, 2)));
    assert_eq!(server.metric(LIVE).await, 2.0);
    a.close(1000, "").await;
    server.until_metric(LIVE, 1.0).await;
    // A fresh one begins at the beginning: on-upgrade, on-open, and this message.
    let mut c = server.open("/red").await;
    assert_eq!(c.command("instance").await["calls"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_is_an_instance_for_each_connection() {
    let server = Server::plugin("guest:reporter", "").await;
    let (mut a, mut b) = (server.open("/").await, server.open("/").await);
    opened(&server, 2.0).await;
    assert_eq!((shares(&mut a).await, shares(&mut b).await), ((1, 2), (1, 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_may_share_one() {
    let server = server("reporter", "'shared'").await;
    let (mut a, mut b) = (server.open("/red").await, server.open("/blue").await);
    opened(&server, 2.0).await;
    assert_eq!((shares(&mut a).await, shares(&mut b).await), ((2, 2), (2, 2)));
    assert_eq!(server.metric(LIVE).await, 1.0);
    a.close(1000, "").await;
    server.until_metric("socklet_connections", 1.0).await;
    assert_eq!(shares(&mut b).await, (1, 1));
    b.close(1000, "").await;
    server.until_metric(LIVE, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_may_decide() {
    let server = server("reporter", "{ key = '{room}' }").await;
    let (mut a, mut b, mut c) = (server.open("/red").await, server.open("/red").await, server.open("/blue").await);
    opened(&server, 3.0).await;
    assert_eq!((shares(&mut a).await, shares(&mut b).await, shares(&mut c).await), ((2, 3), (2, 3), (1, 3)));
    assert_eq!(server.metric(LIVE).await, 2.0);
    c.close(1000, "").await;
    server.until_metric(LIVE, 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_into_one_instance_never_overlap() {
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'main'\ninstance = 'shared'\n\
         [plugin.main]\nsource = 'guest:reporter'\ntimeout = '10s'\n",
    )
    .await;
    let mut turns = Vec::new();
    for _ in 0..8 {
        let mut client = server.open("/").await;
        turns.push(tokio::spawn(async move {
            for _ in 0..5 {
                client.command("busy 5").await;
            }
            client.close(1000, "").await;
        }));
    }
    for turn in turns {
        turn.await.unwrap();
    }
    server.until_metric(LIVE, 0.0).await;
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shares_an_instance_dies_with_it_and_nobody_else() {
    let server = server("trap_message", "{ key = '{room}' }").await;
    let witness = server.observe("/witness").await;
    // One after the other: instances of their own tell of births in any order.
    let mut a = server.open("/red").await;
    let of_a = witness.birth().await;
    let mut b = server.open("/red").await;
    let of_b = witness.birth().await;
    let mut other = server.open("/blue").await;
    witness.birth().await;
    a.send("trap").await;
    let (mine, theirs) = (a.expect_close(1011).await, b.expect_close(1011).await);
    assert_eq!(mine, theirs, "one event");
    for id in [of_a, of_b] {
        let end = witness.obituary(id).await;
        assert_eq!((end.code, end.cause.as_str(), end.fresh, end.clean), (1011, "plugin-failed", true, true));
    }
    assert_eq!(server.metric("socklet_plugin_traps_total{reason=\"trap\"}").await, 1.0);
    assert_eq!(other.ask("hello").await, "hello");
    let mut next = server.open("/red").await;
    assert_eq!(next.ask("a new one").await, "a new one");
    assert_eq!(witness.obituaries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_instance_that_dies_is_replaced() {
    let server = server("trap_second", "'shared'").await;
    for _ in 0..3 {
        let (mut a, mut b) = (server.open("/red").await, server.open("/blue").await);
        assert_eq!(a.ask("first").await, "first");
        b.send("second").await;
        let (x, y) = tokio::join!(a.expect_close(1011), b.expect_close(1011));
        assert_eq!(x, y);
    }
    server.until_metric("socklet_plugin_calls_total{hook=\"on-close\"}", 6.0).await;
    server.until_metric(LIVE, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_pool_has_are_refused_until_there_is_room() {
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n[engine]\nmax_instances = 3\n",
    )
    .await;
    let (_a, _b, c) = (server.open("/").await, server.open("/").await, server.open("/").await);
    let refused = server.at("/").answer().await;
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (503, false), "{refused:?}");
    c.close(1000, "").await;
    server.until_metric(LIVE, 2.0).await;
    assert_eq!(server.open("/").await.command("count").await, json!(3));
}
