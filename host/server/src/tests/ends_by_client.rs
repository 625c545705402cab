//! One `on-close` for every `on-open`, and the truth in it: where the client ends the connection.

use super::harness::{Client, Host, MS, SECOND, Setup, binary, done, echo, later, never, text, when_message};
use socklet_core::{Cause, Ending, Event};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, time::sleep};

fn summary(ending: &Ending) -> (u16, &str, Cause, bool) {
    (ending.frame.code().get(), ending.frame.reason(), ending.cause, ending.clean)
}

fn quiet() -> Host {
    Setup::new(|_, _| done()).start()
}

#[tokio::test(start_paused = true)]
async fn the_frame_of_a_client_is_told_and_echoed() {
    for (code, reason) in [(1000, "bye"), (1001, ""), (3000, "ä"), (4999, "x"), (1011, &"r".repeat(123))] {
        let host = Setup::new(echo).start();
        let mut client = host.connect().await;
        client.text("one").await;
        client.frame(2, true, b"two").await;
        assert_eq!((client.next().await.unwrap().opcode, client.next().await.unwrap().opcode), (1, 2));
        sleep(1500 * MS).await;
        client.close(code, reason).await;
        assert_eq!(client.next_close().await, (code, reason.to_owned()));
        client.ends().await;
        let ending = host.ending().await;
        assert_eq!(summary(&ending), (code, reason, Cause::Client, true));
        assert_eq!((ending.messages_received, ending.messages_sent), (2, 2));
        assert_eq!(ending.duration, 1500 * MS);
        assert_eq!(host.log.messages(), [text("one"), binary(b"two")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_without_a_code_is_1005() {
    let host = quiet();
    let mut client = host.connect().await;
    client.frame(8, true, b"").await;
    assert_eq!(client.next_close().await, (0, String::new()));
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1005, "", Cause::Client, true));
    assert_eq!((ending.messages_received, ending.messages_sent, ending.duration), (0, 0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_1006() {
    let host = quiet();
    let client = host.connect().await;
    sleep(2 * SECOND).await;
    drop(client);
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1006, "", Cause::Disconnected, false));
    assert_eq!((ending.messages_received, ending.duration), (0, 2 * SECOND));
}

/// Whether calls are answered at once or later, and whether the answers can be written or not.
#[tokio::test(start_paused = true)]
async fn what_came_before_a_client_vanished_is_delivered_first_in_order() {
    for wait in [Duration::ZERO, 10 * MS] {
        for answers in [false, true] {
            let host = Setup::new(when_message(move |guest, message| {
                if answers {
                    let _ = guest.send(message.clone()); // refused once the client is known to be gone
                }
                if wait.is_zero() { done() } else { later(wait, done) }
            }))
            .start();
            let mut client = host.connect_with(1 << 20).await;
            let sent: Vec<_> = (0..3000).map(|n| format!("message {n}")).collect();
            for message in &sent {
                client.text(message).await;
            }
            drop(client);
            let ending = host.ending().await;
            assert_eq!(summary(&ending), (1006, "", Cause::Disconnected, false));
            assert_eq!(ending.messages_received, 3000);
            let delivered = host.log.messages();
            assert!(
                delivered.iter().map(|message| message.as_bytes()).eq(&sent),
                "{wait:?} {answers}: {}",
                delivered.len()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_not_delivered() {
    let host = quiet();
    let mut client = host.connect().await;
    client.text("whole").await;
    client.frame(1, false, b"ha").await;
    client.write(&[0x80]).await;
    drop(client);
    assert_eq!(host.ending().await.messages_received, 1);
    assert_eq!(host.log.messages(), [text("whole")]);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_counts_though_the_client_is_gone_before_the_echo() {
    let host = Setup::new(when_message(|guest, message| {
        let _ = guest.send(message.clone());
        later(SECOND, done)
    }))
    .start();
    let mut client = host.connect().await;
    client.text("one").await;
    client.text("two").await;
    client.close(4000, "done").await;
    drop(client);
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (4000, "done", Cause::Client, false));
    assert_eq!(host.log.messages(), [text("one"), text("two")]);
}

/// A client that closes its side only: there are no half-open WebSockets.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_without_a_close_frame_is_1006() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    client.text("last").await;
    client.stream.shutdown().await.unwrap();
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1006, "", Cause::Disconnected, false));
    assert_eq!(host.log.messages(), [text("last")]);
}

#[tokio::test(start_paused = true)]
async fn messages_before_the_close_frame_are_delivered_first() {
    let host = Setup::new(when_message(|_, _| later(SECOND, done))).start();
    let mut client = host.connect().await;
    for n in 0..5 {
        client.text(&n.to_string()).await;
    }
    client.close(1000, "").await;
    assert_eq!(client.next_close().await, (1000, String::new()));
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.messages_received, ending.duration, ending.clean), (5, 5 * SECOND, true));
    assert_eq!(host.log.messages().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_going_on_ends_before_the_close() {
    let host = Setup::new(|_, event| if *event == Event::Open { later(7 * SECOND, done) } else { done() }).start();
    let client = host.connect().await;
    drop(client);
    // A call that overlaps another is a fault of the log.
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1006, "", Cause::Disconnected, false));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_for_a_client_that_is_gone_before_the_101() {
    let host = Setup::new(|_, _| done()).authenticators(vec![super::harness::Judge::never()]).start();
    let mut client = host.client();
    client.write(Client::<tokio::io::DuplexStream>::handshake("/", &[]).as_bytes()).await;
    sleep(SECOND).await;
    drop(client);
    sleep(20 * SECOND).await;
    host.settled().await;
    assert_eq!(host.log.events(), []);
    assert_eq!(host.metric("socklet_connections_opened_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_when_the_101_cannot_be_written() {
    let host = Setup::with(super::harness::Fake::new(|_, _| done()).on_upgrade(|_| async {
        sleep(SECOND).await;
        Ok(Ok(socklet_core::Acceptance::default()))
    }))
    .start();
    // No room for an answer: it is still to be written when the client goes.
    let mut client = host.client_with(8);
    client.write(Client::<tokio::io::DuplexStream>::handshake("/", &[]).as_bytes()).await;
    sleep(2 * SECOND).await;
    drop(client);
    sleep(20 * SECOND).await;
    host.settled().await;
    assert_eq!(host.log.events(), []);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_keeps_nobody_else() {
    let host = Setup::new(when_message(|guest, message| {
        if *message == text("hang") { never() } else { echo(guest, &Event::Message(message.clone())) }
    }))
    .start();
    let mut stuck = host.connect().await;
    let mut other = host.connect().await;
    stuck.text("hang").await;
    stuck.text("more").await;
    other.text("hello").await;
    assert_eq!(other.next_text().await, "hello");
    other.close(1000, "").await;
    assert_eq!(other.next_close().await.0, 1000);
    assert_eq!(host.log.messages(), [text("hang"), text("hello")]);
}
