//! The heartbeat: a ping to whoever was idle in both directions, and the deadline for its pong.

use super::harness::{Client, Host, MS, SECOND, Setup, done, echo, encode, later, text, when_message};
use socklet_core::{Cause, Connections, Heartbeat};
use std::time::Duration;
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep},
};

/// A ping comes next: what it carries, and after what time.
async fn ping(client: &mut Client<DuplexStream>) -> (Vec<u8>, Duration) {
    let started = Instant::now();
    let frame = client.next().await.expect("a ping");
    assert!(frame.opcode == 9 && frame.fin, "{frame:?}");
    (frame.payload, started.elapsed())
}

async fn pong(client: &mut Client<DuplexStream>, payload: &[u8]) {
    client.frame(10, true, payload).await;
}

fn pongs(host: &Host) -> u64 {
    host.metric("socklet_ping_rtt_seconds_count")
}

#[tokio::test(start_paused = true)]
async fn a_ping_after_each_idle_interval() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    for n in 0..5 {
        assert_eq!(ping(&mut client).await, (b"heartbeat".to_vec(), 20 * SECOND));
        pong(&mut client, b"heartbeat").await;
        sleep(MS).await;
        pong(&mut client, b"unasked").await;
        sleep(MS).await;
        assert_eq!(pongs(&host), n + 1);
        // The pong was traffic, and so are the two that nobody asked for.
        pong(&mut client, b"heartbeat").await;
    }
    assert_eq!(host.metric("socklet_pong_timeouts_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn traffic_in_either_direction_puts_it_off() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    for _ in 0..3 {
        sleep(15 * SECOND).await;
        client.text("from the client").await;
        sleep(15 * SECOND).await;
        host.connections.send(id, text("to the client").as_ref()).unwrap();
        assert_eq!(client.next_text().await, "to the client");
    }
    assert_eq!(ping(&mut client).await.1, 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn no_pong_in_time() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    ping(&mut client).await;
    let started = Instant::now();
    assert_eq!(client.next_close().await, (1008, "no pong in time".to_owned()));
    assert_eq!(started.elapsed(), 10 * SECOND);
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.frame.code().get(), ending.cause, ending.clean), (1008, Cause::Heartbeat, false));
    assert_eq!(ending.duration, 35 * SECOND, "interval, pong time-out and close time-out");
    assert_eq!(host.metric("socklet_pong_timeouts_total"), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_talks_needs_no_pong() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    for _ in 0..4 {
        assert_eq!(ping(&mut client).await.1, 20 * SECOND);
        client.text("I live").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_dead_client_does_not_keep_it_alive() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    ping(&mut client).await;
    for _ in 0..3 {
        sleep(3 * SECOND).await;
        host.connections.send(id, text("hello?").as_ref()).unwrap();
        assert_eq!(client.next_text().await, "hello?");
    }
    assert_eq!(client.next_close().await.0, 1008);
}

#[tokio::test(start_paused = true)]
async fn interval_and_payload_change_on_live_connections() {
    let host = Setup::new(|_, _| done()).start();
    let mut clients = [host.connect().await, host.connect().await];
    sleep(3 * SECOND).await;
    host.connections.set_heartbeat(Heartbeat::new(5 * SECOND, "tick").unwrap());
    for client in &mut clients {
        client.text("").await;
    }
    let [a, b] = &mut clients;
    assert_eq!(ping(a).await, (b"tick".to_vec(), 5 * SECOND));
    assert_eq!(ping(b).await.0, b"tick");
    pong(a, b"tick").await;
    pong(b, b"tick").await;
    sleep(SECOND).await;
    assert_eq!(pongs(&host), 2);
    // A longer one, and no payload at all. A second has gone by.
    host.connections.set_heartbeat(Heartbeat::new(100 * SECOND, "").unwrap());
    assert_eq!(ping(a).await, (vec![], 99 * SECOND));
    pong(a, b"").await;
    assert_eq!(host.connections.heartbeat(), Heartbeat::new(100 * SECOND, "").unwrap());
    // Shorter than what has gone by already: at once.
    sleep(50 * SECOND).await;
    host.connections.set_heartbeat(Heartbeat::new(10 * SECOND, "now").unwrap());
    assert_eq!(ping(a).await, (b"now".to_vec(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_pong_that_was_not_looked_for_is_not_late() {
    let host = Setup::new(when_message(|_, _| later(300 * SECOND, done))).start();
    let mut client = host.connect().await;
    // One message in the guest's hands, one waiting: nothing is read.
    client.text("call").await;
    client.text("wait").await;
    let started = Instant::now();
    while started.elapsed() < 590 * SECOND {
        let (payload, _) = ping(&mut client).await;
        pong(&mut client, &payload).await;
    }
    assert_eq!(host.metric("socklet_pong_timeouts_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_died_while_it_was_not_read_is_found() {
    let host = Setup::new(when_message(|_, _| later(100 * SECOND, done))).start();
    let mut client = host.connect().await;
    client.text("call").await;
    client.text("wait").await;
    let frame = loop {
        let frame = client.next().await.unwrap();
        if frame.opcode != 9 {
            break frame;
        }
    };
    assert_eq!(frame.payload[..2], 1008_u16.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_still_reading_what_was_sent_is_not_pinged() {
    let host = Setup::new(echo).limits(|limits| limits.pong_timeout = 2 * SECOND).start();
    let mut client = host.connect_with(1000).await;
    host.connections.set_heartbeat(Heartbeat::new(SECOND, "x").unwrap());
    let id = host.connections.ids()[0];
    host.connections.send(id, text(&"x".repeat(5000)).as_ref()).unwrap();
    sleep(25 * SECOND).await;
    assert_eq!(client.next_text().await.len(), 5000);
    assert_eq!(ping(&mut client).await.0, b"x");
    pong(&mut client, b"x").await;
    ping(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pings_is_not_pinged() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    for _ in 0..10 {
        sleep(19 * SECOND).await;
        client.write(&encode(9, true, b"me")).await;
        let frame = client.next().await.unwrap();
        assert_eq!((frame.opcode, &frame.payload[..]), (10, &b"me"[..]));
    }
}
