//! What is measured, as it is scraped.

use super::harness::{Client, SECOND, Setup, echo, frame, text};
use socklet_core::Connections;
use tokio::{io::DuplexStream, time::sleep};

#[tokio::test(start_paused = true)]
async fn a_scenario_in_numbers() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    client.text("four").await;
    client.frame(2, true, b"seven 7").await;
    client.next().await.unwrap();
    client.next().await.unwrap();
    host.connections.send_all(text("more").as_ref(), None);
    client.next().await.unwrap();
    assert_eq!((host.metric("socklet_connections"), host.metric("socklet_sockets")), (1, 1));
    sleep(20 * SECOND).await;
    assert_eq!(client.next().await.unwrap().opcode, 9);
    client.frame(10, true, b"heartbeat").await;
    client.close(1000, "").await;
    host.log.ends(1).await;

    let _gone = host.connect().await;
    drop(_gone);
    host.log.ends(2).await;
    for (code, reason) in [(3001, "a"), (3002, "b"), (4000, "c")] {
        let mut client = host.connect().await;
        host.connections.close(host.connections.ids()[0], frame(code, reason)).unwrap();
        client.is_closed().await;
    }
    let mut broken = host.connect().await;
    broken.write(&[0xff, 0xff]).await;
    assert_eq!(broken.next_close().await.0, 1002);
    drop(broken);
    let mut refused = host.client();
    refused.ask(&Client::<DuplexStream>::handshake("/", &[("Origin", "http://evil.test")])).await;
    drop(refused);
    host.log.ends(6).await;
    host.settled().await;

    let metrics = host.metrics();
    for line in [
        "socklet_connections 0",
        "socklet_sockets 0",
        "socklet_connections_opened_total 6",
        "socklet_connections_closed_total{code=\"1000\",cause=\"client\"} 1",
        "socklet_connections_closed_total{code=\"1006\",cause=\"disconnected\"} 1",
        "socklet_connections_closed_total{code=\"3xxx\",cause=\"plugin\"} 2",
        "socklet_connections_closed_total{code=\"4xxx\",cause=\"plugin\"} 1",
        "socklet_connections_closed_total{code=\"1002\",cause=\"protocol\"} 1",
        "socklet_handshakes_total{outcome=\"accepted\"} 6",
        "socklet_handshakes_total{outcome=\"origin-not-allowed\"} 1",
        "socklet_handshake_duration_seconds_count 7",
        "socklet_messages_received_total{opcode=\"text\"} 1",
        "socklet_messages_received_total{opcode=\"binary\"} 1",
        "socklet_messages_sent_total{opcode=\"text\"} 2",
        "socklet_messages_sent_total{opcode=\"binary\"} 1",
        "socklet_received_bytes_total 11",
        "socklet_send_queue_bytes 0",
        "socklet_ping_rtt_seconds_count 1",
        "socklet_pong_timeouts_total 0",
        "socklet_protocol_errors_total{kind=\"reserved-bits\"} 1",
        "socklet_accept_errors_total 0",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is missing:\n{metrics}");
    }
    // 2 + 4, 2 + 7, 2 + 4, a ping of 2 + 9, five close frames, one of them with a rule and its section.
    let sent = host.metric("socklet_sent_bytes_total");
    assert!((62..200).contains(&sent), "{sent}");
    assert!(metrics.ends_with("# EOF\n"));
}
