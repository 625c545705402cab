//! Guests that sleep, and those that have timers, over real sockets.

use socklet_tests::Server;

/// A route whose instances are idle for 50 ms at most.
async fn drowsy(guest: &str) -> Server {
    Server::start(&format!(
        r#"
        [[route]]
        default = true
        behavior = "main"
        hibernate_after = "50ms"
        [plugin.main]
        source = "guest:{guest}"
        "#
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn sleepy() {
    let server = drowsy("sleepy").await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.open("/").await;
        assert_eq!(client.ask("timer alarm 60000").await, "ok");
        clients.push(client);
    }
    for round in 2..5 {
        server.until_metric("socklet_plugin_instances{state=\"hibernated\"}", 20.0).await;
        assert_eq!(server.metric("socklet_plugin_instances{state=\"live\"}").await, 0.0);
        for client in &mut clients {
            // The socket's side of the connection is awake: it answers by itself.
            client.ping(b"there?").await;
            assert_eq!(client.ask("count").await, round.to_string());
        }
    }
    let mut last = clients.pop().expect("there are some");
    server.until_metric("socklet_plugin_instances{state=\"hibernated\"}", 20.0).await;
    for client in clients {
        assert_eq!(client.close(1000, "").await.0, 1000);
        // Everybody hears of it, from an instance that woke up for that.
        last.expect_text("closed after 4").await;
    }
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn refuse_to_save() {
    let server = drowsy("refuse_to_save").await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "1");
    server.until_metric("socklet_plugin_hibernations_total{outcome=\"refused\"}", 1.0).await;
    assert_eq!(client.ask("b").await, "2", "the same instance");
    assert_eq!(server.metric("socklet_plugin_instances{state=\"live\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn wants_timers() {
    let server = Server::plugin("guest:wants_timers", "").await;
    let mut client = server.open("/").await;
    client.send("20").await;
    client.expect_text("timer").await;
    // Set again before it is due, it moves.
    client.send("60000").await;
    client.send("20").await;
    client.expect_text("timer").await;
    assert_eq!(client.ask("hello").await, "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn counted() {
    let server = drowsy("counted").await;
    let (mut client, mut other) = (server.open("/").await, server.open("/").await);
    assert_eq!(client.ask("hello").await, " 1");
    assert_eq!(other.ask("timer alarm 500").await, " 1");
    server.until_metric("socklet_plugin_instances{state=\"hibernated\"}", 2.0).await;
    for client in [&mut client, &mut other] {
        client.expect_text("alarm  1").await;
    }
    assert_eq!(client.ask("busy 1000").await, " 2");
    other.send("trap").await;
    other.expect_close(1011).await;
    assert_eq!(client.ask("hello").await, " 3");
}
