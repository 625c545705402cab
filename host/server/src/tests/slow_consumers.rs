//! Clients that read too slowly, and what the route's policy does about it.

use super::harness::{Client, Host, MS, SECOND, Setup, done, frame, text};
use crate::SlowConsumer;
use socklet_core::{ConnectionId, Connections, Message, Opcode, SendError};
use tokio::{
    io::DuplexStream,
    time::{sleep, timeout},
};

/// A connection whose client takes 10 bytes at a time, with an outbox of 1,000 bytes that holds `first` (100 bytes with its header)
/// in the socket and then messages of 100 bytes, named by a letter.
async fn slow(policy: SlowConsumer) -> (Host, Client<DuplexStream>, ConnectionId) {
    let host = Setup::new(|_, _| done())
        .limits(|limits| (limits.send_queue_max_bytes, limits.slow_consumer) = (1000, policy))
        .start();
    let client = host.connect_with(10).await;
    let id = host.connections.ids()[0];
    assert_eq!(host.connections.send(id, letter('a').as_ref()), Ok(()));
    sleep(MS).await; // from here on the socket takes no more
    for name in 'b'..='j' {
        assert_eq!(host.connections.send(id, letter(name).as_ref()), Ok(()));
    }
    (host, client, id)
}

fn letter(name: char) -> Message {
    text(&name.to_string().repeat(98))
}

async fn letters(client: &mut Client<DuplexStream>, expected: &str) {
    for name in expected.chars() {
        assert_eq!(client.next_text().await, name.to_string().repeat(98));
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_dropped_and_the_connection_lives() {
    let (host, mut client, id) = slow(SlowConsumer::DropNewest).await;
    assert_eq!(host.connections.send(id, letter('k').as_ref()), Err(SendError::Full));
    assert_eq!(host.connections.send_all(letter('l').as_ref(), None), 0);
    assert_eq!(host.metric("socklet_slow_consumers_total{action=\"drop-newest\"}"), 2);
    letters(&mut client, "abcdefghij").await;
    assert_eq!(host.connections.send(id, letter('m').as_ref()), Ok(()));
    letters(&mut client, "m").await;
    client.close(1000, "").await;
    assert_eq!(host.ending().await.messages_sent, 11);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_are_dropped_and_the_connection_lives() {
    let (host, mut client, id) = slow(SlowConsumer::DropOldest).await;
    assert_eq!(host.connections.send_frame(id, Opcode::Ping, true, b"kept"), Ok(()));
    assert_eq!(host.connections.send(id, letter('k').as_ref()), Ok(()));
    assert_eq!(host.connections.send_all(letter('l').as_ref(), None), 1);
    assert_eq!(host.metric("socklet_slow_consumers_total{action=\"drop-oldest\"}"), 2);
    // A message that is larger than what can be dropped is not queued; nothing else is dropped for it.
    assert_eq!(host.connections.send(id, text(&"x".repeat(990)).as_ref()), Err(SendError::Full));
    letters(&mut client, "adefghij").await;
    assert_eq!(client.next().await.unwrap().opcode, 9);
    letters(&mut client, "kl").await;
    client.close(1000, "").await;
    assert_eq!(host.ending().await.messages_sent, 10);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_begun_is_never_dropped() {
    let (host, mut client, id) = slow(SlowConsumer::DropOldest).await;
    let fragment =
        |opcode, fin, name: char| host.connections.send_frame(id, opcode, fin, name.to_string().repeat(98).as_bytes());
    for (opcode, name) in [(Opcode::Text, '1'), (Opcode::Continuation, '2')] {
        fragment(opcode, false, name).unwrap();
    }
    // Seven whole messages are left to drop, then none.
    let fits = (0..20).take_while(|_| fragment(Opcode::Continuation, false, '3').is_ok()).count();
    assert_eq!(fits, 7);
    letters(&mut client, "a").await;
    for (expected, n) in [(1, 1), (0, 8)] {
        for _ in 0..n {
            let frame = client.next().await.unwrap();
            assert_eq!((frame.opcode, frame.fin), (expected, false));
        }
    }
    host.connections.close(id, frame(1000, "")).unwrap();
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_not_dropped() {
    let (host, mut client, id) = slow(SlowConsumer::DropOldest).await;
    let mut flush = tokio::spawn(host.connections.flush(id));
    sleep(MS).await;
    for name in 'k'..='n' {
        host.connections.send(id, letter(name).as_ref()).unwrap();
    }
    letters(&mut client, "afghi").await;
    assert!(timeout(MS, &mut flush).await.is_err());
    letters(&mut client, "j").await;
    assert_eq!(timeout(SECOND, flush).await.unwrap().unwrap(), Ok(()));
    letters(&mut client, "klmn").await;
    client.close(1000, "").await;
    host.ending().await;
}
