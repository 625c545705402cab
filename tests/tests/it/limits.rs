//! Limits: what a client may do, and what happens to one that does more.

use socklet_tests::{Observer, Server, eventually};

const HIT: &str = "socklet_limit_hits_total";

/// A guest at `/guest` under these limits, with a witness that nobody limits.
async fn limited(limits: &str) -> (Server, Observer) {
    let server = Server::plugin("guest:reporter", limits).await;
    let witness = server.observe("/").await;
    (server, witness)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_bounded_in_size_and_fragments() {
    let limits = "[limits]\nmax_message_size = '1KiB'\nmax_frame_size = '512B'\nmax_fragments = 4\n";
    let (server, witness) = limited(limits).await;
    let whole = vec![b'x'; 512];
    let mut wire = server.at("/").wire().await;
    witness.birth().await;
    wire.frame(0x02, &whole).await;
    wire.frame(0x80, &whole).await;
    assert_eq!(wire.next().await.unwrap().payload.len(), 1024, "as large as may be");
    for (what, frames, code, kind) in [
        ("a frame", vec![(0x82, 513)], 1009, "frame-too-big"),
        ("a message", vec![(0x02, 512), (0x00, 512), (0x80, 1)], 1009, "message-too-big"),
        ("fragments", vec![(0x02, 1), (0x00, 1), (0x00, 1), (0x00, 1), (0x80, 1)], 1008, "too-many-fragments"),
    ] {
        let mut wire = server.at("/").wire().await;
        let id = witness.birth().await;
        for (first, size) in frames {
            wire.frame(first, &vec![b'x'; size]).await;
        }
        wire.expect_close(code).await;
        let end = witness.obituary(id).await;
        assert_eq!((end.code, end.cause.as_str(), end.messages_received), (code, "limit", 0), "{what}");
        let kind = format!("socklet_protocol_errors_total{{kind=\"{kind}\"}}");
        assert_eq!(server.metric(&kind).await, 1.0, "{what}");
    }
    // A length is believed before its bytes are there: nothing is kept ready for it.
    let mut wire = server.at("/").wire().await;
    wire.write(&[0x82, 0xff, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
    wire.expect_close(1009).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_bounded() {
    for (limit, name, first, size) in [
        ("messages_per_second = '5/s'", "messages_per_second", 0x82, 1),
        ("bytes_per_second = '1KiB'", "bytes_per_second", 0x82, 300),
        ("control_frame_rate = '5/s'", "control_frame_rate", 0x89, 1),
    ] {
        let server = Server::plugin("guest:reporter", &format!("[limits]\n{limit}\n")).await;
        let mut wire = server.at("/").wire().await;
        for _ in 0..50 {
            wire.frame(first, &vec![0; size]).await;
        }
        let closed = loop {
            match wire.next().await.expect("a close frame before the end") {
                frame if frame.first == 0x88 => break frame.payload,
                _ => {}
            }
        };
        assert_eq!((&closed[..2], &closed[2..]), (&1008u16.to_be_bytes()[..], &b"rate limit exceeded"[..]), "{name}");
        assert_eq!(server.metric(&format!("{HIT}{{limit=\"{name}\"}}")).await, 1.0);
        server.until_metric("socklet_connections_closed_total{code=\"1008\",cause=\"limit\"}", 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_by_route_and_by_node() {
    let server = Server::start(
        "[[route]]\npath = '/few'\nbehavior = 'm'\nlimits = { max_connections = 2 }\n\
         [[route]]\npath = '/'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n[limits]\nmax_connections = 3\n",
    )
    .await;
    let (a, _b) = (server.open("/few").await, server.open("/few").await);
    let refused = server.at("/few").answer().await;
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (503, false));
    let _c = server.open("/").await;
    let refused = server.at("/").answer().await;
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (503, false));
    assert_eq!(server.metric(&format!("{HIT}{{limit=\"route_max_connections\"}}")).await, 1.0);
    assert_eq!(server.metric(&format!("{HIT}{{limit=\"max_connections\"}}")).await, 1.0);
    a.close(1000, "").await;
    eventually("there is room again", async || server.at("/few").answer().await.status == 101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_counted_by_address() {
    let echo = "[[route]]\npath = '/'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n";
    let server = Server::start(&format!("{echo}[limits]\nmax_connections_per_ip = 2\n")).await;
    let (_a, _b) = (server.open("/").await, server.open("/").await);
    let refused = server.at("/").answer().await;
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (429, false));
    assert_eq!(server.metric(&format!("{HIT}{{limit=\"max_connections_per_ip\"}}")).await, 1.0);

    let server = Server::start(&format!("{echo}[limits]\nconnection_rate = '2/m'\n")).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(server.at("/").answer().await.status);
    }
    assert_eq!(statuses, [101, 101, 429, 429]);
    assert_eq!(server.metric(&format!("{HIT}{{limit=\"connection_rate\"}}")).await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_closed() {
    let (server, witness) = limited("[limits]\nsend_queue_max_bytes = '64KiB'\n").await;
    let mut slow = server.open("/").await;
    let id = witness.birth().await;
    slow.command("subscribe flood").await;
    let mut talker = server.open("/").await;
    let other = witness.birth().await;
    let piece = "x".repeat(32 << 10);
    // Until the sockets' buffers are full, and the queue behind them.
    while talker.command(&format!("publish flood {piece}")).await == 1 {}
    let end = witness.obituary(id);
    let (told, end) = tokio::join!(slow.closed_after_messages(), end);
    assert_eq!((told.0, told.1.as_str()), (1013, "reading too slowly"));
    assert_eq!((end.code, end.cause.as_str()), (1013, "slow-consumer"));
    assert_eq!(talker.ask("echo unharmed").await, "unharmed");
    assert_eq!(server.metric("socklet_slow_consumers_total{action=\"close\"}").await, 1.0);
    talker.close(1000, "").await;
    witness.obituary(other).await;
    server.until_metric("socklet_send_queue_bytes", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_and_does_not_read_is_not_listened_to() {
    // An echo to nobody: what comes in must stop before what goes out grows.
    let server = Server::plugin("stock:echo", "").await;
    let mut wire = server.at("/").wire().await;
    let written = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        for _ in 0..2000 {
            wire.frame(0x82, &[0; 60 << 10]).await;
        }
    })
    .await;
    assert!(written.is_err(), "120 MiB were taken from a client that reads nothing");
    let queued = server.metric("socklet_send_queue_bytes").await;
    assert!(queued <= 1_048_576.0, "{queued}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_nobody_reads_has_a_deadline() {
    let server = Server::start(
        "send_timeout = '1s'\n[[route]]\npath = '/'\nbehavior = 'm'\n[plugin.m]\nsource = 'guest:reporter'\n\
         [limits]\nsend_queue_max_bytes = '64MiB'\nclose_timeout = '1s'\n",
    )
    .await;
    let witness = server.observe("/").await;
    let mut slow = server.open("/").await;
    let id = witness.birth().await;
    slow.command("subscribe flood").await;
    let mut talker = server.open("/").await;
    let piece = "x".repeat(60 << 10);
    for _ in 0..300 {
        talker.command(&format!("publish flood {piece}")).await;
    }
    let end = witness.obituary(id).await;
    assert_eq!((end.code, end.cause.as_str(), end.clean), (1013, "slow-consumer", false));
    assert_eq!(server.metric("socklet_slow_consumers_total{action=\"timeout\"}").await, 1.0);
    drop(slow);
}
