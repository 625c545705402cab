//! The heartbeat: a ping to whoever is idle, and an end for whoever does not answer.

use socklet_tests::Server;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idle_are_pinged_and_who_does_not_answer_is_closed() {
    let server = Server::plugin(
        "guest:reporter",
        "[heartbeat]\ninterval = '1s'\nmessage = 'are you there'\npong_timeout = '2s'\n[limits]\nclose_timeout = '1s'\n",
    )
    .await;
    // tungstenite answers pings whenever it reads.
    let witness = server.observe("/").await;
    let mut mute = server.at("/").wire().await;
    let id = witness.birth().await;
    let mut busy = server.at("/").wire().await;
    witness.birth().await;
    let talk = async {
        // Never idle for a second, for longer than the others live.
        let until = Instant::now() + Duration::from_millis(3500);
        while Instant::now() < until {
            busy.frame(0x81, b"echo x").await;
            assert_eq!(busy.next().await.unwrap().first, 0x81, "no ping while there is traffic");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let starve = async {
        let ping = mute.next().await.unwrap();
        assert_eq!((ping.first, &*ping.payload), (0x89, &b"are you there"[..]));
        // A pong that was not asked for does not count.
        mute.frame(0x8a, b"something else").await;
        loop {
            let frame = mute.next().await.unwrap();
            if frame.first == 0x88 {
                break assert_eq!(frame.payload[..2], 1008u16.to_be_bytes());
            }
            assert_eq!(frame.first, 0x89);
        }
        witness.obituary(id).await
    };
    let ((), end) = tokio::join!(talk, starve);
    assert_eq!((end.code, end.reason.as_str(), end.cause.as_str()), (1008, "no pong in time", "heartbeat"));
    assert!(!end.clean && end.duration_ms >= 3000, "{end:?}");
    witness.is_served().await;
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("socklet_pong_timeouts_total"), 1.0);
    assert!(metrics.get("socklet_ping_rtt_seconds_count") >= 2.0, "the witness has answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_of_clients_are_answered() {
    let server = Server::plugin("stock:echo", "").await;
    let mut client = server.open("/").await;
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        client.ping(payload).await;
    }
    assert!(client.pings().is_empty());
    assert_eq!(client.ask("hello").await, "hello");
}
