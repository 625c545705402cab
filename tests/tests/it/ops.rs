//! The operators' listener: health, readiness and metrics, apart from what clients reach.

use socklet_tests::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics_have_an_address_of_their_own() {
    let server = Server::plugin("stock:echo", "").await;
    let (health, ready) = (server.get_ops("/healthz").await, server.get_ops("/readyz").await);
    assert_eq!((health.status, &*health.body), (200, "live\n"));
    assert_eq!((ready.status, &*ready.body), (200, "ready\n"));
    let metrics = server.get_ops("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(server.get_ops("/").await.status, 404);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status, 426, "clients see nothing of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_counted() {
    let server = Server::plugin("stock:echo", "").await;
    let mut client = server.open("/").await;
    for text in ["one", "two"] {
        client.ask(text).await;
    }
    client.send(vec![0; 100]).await;
    client.receive().await;
    // Counted once the system has taken them: maybe a moment after the client has read them.
    server.until_metric("socklet_sent_bytes_total", 112.0).await;
    let open = server.metrics().await;
    for (metric, value) in [
        ("socklet_connections", 1.0),
        ("socklet_sockets", 1.0),
        ("socklet_connections_opened_total", 1.0),
        ("socklet_handshakes_total{outcome=\"accepted\"}", 1.0),
        ("socklet_handshake_duration_seconds_count", 1.0),
        ("socklet_messages_received_total{opcode=\"text\"}", 2.0),
        ("socklet_messages_received_total{opcode=\"binary\"}", 1.0),
        ("socklet_messages_sent_total{opcode=\"text\"}", 2.0),
        ("socklet_messages_sent_total{opcode=\"binary\"}", 1.0),
        ("socklet_received_bytes_total", 106.0),
        // Two bytes of header each.
        ("socklet_sent_bytes_total", 112.0),
        ("socklet_send_queue_bytes", 0.0),
        ("socklet_plugin_calls_total{hook=\"on-message\",outcome=\"ok\"}", 3.0),
        ("socklet_plugin_call_duration_seconds_count{hook=\"on-message\"}", 3.0),
        ("socklet_plugin_instances{state=\"live\"}", 1.0),
        ("socklet_draining", 0.0),
    ] {
        assert_eq!(open.get(metric), value, "{metric}");
    }
    assert!(open.get("socklet_plugin_cpu_seconds_total") > 0.0);
    assert!(open.get("socklet_plugin_memory_bytes") >= 65536.0);
    assert_eq!(open.get("socklet_build_info"), 1.0);
    client.close(1000, "").await;
    for metric in ["socklet_connections", "socklet_sockets", "socklet_plugin_memory_bytes"] {
        server.until_metric(metric, 0.0).await;
    }
    server.until_metric("socklet_connections_closed_total{code=\"1000\",cause=\"client\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_label_is_made_up_by_a_client_or_a_plugin() {
    let server = Server::plugin("guest:reporter", "").await;
    for number in 0..20 {
        let mut client = server.open(&format!("/path-{number}?name=client-{number}")).await;
        client.send(format!("fail {} reason-{number}", 4000 + number)).await;
        client.expect_close(4000 + number).await;
    }
    server.until_metric("socklet_connections_closed_total{code=\"4xxx\",cause=\"plugin\"}", 20.0).await;
    let metrics = server.metrics().await;
    for made_up in ["path-", "client-", "reason-", "code=\"40"] {
        assert!(!metrics.text().contains(made_up), "{made_up}: {}", metrics.text());
    }
}
