//! The closing handshake, RFC 6455 section 7.

use super::harness::{MS, SECOND, Setup, done, echo, frame, later, refuses, text, when_message};
use socklet_core::{Cause, Connections, EventId, SendError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

#[tokio::test(start_paused = true)]
async fn a_close_comes_after_what_is_queued() {
    let host = Setup::new(when_message(|guest, _| {
        for n in 0..2000 {
            guest.send(text(&format!("{n}"))).unwrap();
        }
        guest.connections.close(guest.id, frame(4000, "all said")).unwrap();
        assert_eq!(guest.send(text("too late")), Err(SendError::Unknown));
        done()
    }))
    .start();
    let mut client = host.connect_with(100).await;
    client.text("go").await;
    for n in 0..2000 {
        assert_eq!(client.next_text().await, n.to_string());
    }
    assert_eq!(client.is_closed().await, (4000, "all said".to_owned()));
    let ending = host.ending().await;
    assert_eq!((ending.cause, ending.clean, ending.messages_sent), (Cause::Plugin, true, 2000));
}

#[tokio::test(start_paused = true)]
async fn the_first_reason_wins() {
    let host = Setup::new(when_message(|guest, _| {
        guest.connections.close(guest.id, frame(4001, "first")).unwrap();
        guest.connections.close(guest.id, frame(4002, "second")).unwrap();
        refuses(4003, "third")
    }))
    .start();
    let mut client = host.connect().await;
    client.text("go").await;
    let (code, reason) = client.next_close().await;
    assert_eq!((code, &*reason), (4001, "first"));
    host.lifeline.cut(EventId::next());
    // Whatever the client says, it was the host that closed.
    client.close(1000, "mine").await;
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.frame, ending.cause, ending.clean), (frame(4001, "first"), Cause::Plugin, true));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_a_close_is_cut_off() {
    let host = Setup::new(when_message(|_, _| refuses(1000, ""))).start();
    let mut client = host.connect().await;
    client.text("go").await;
    assert_eq!(client.next_close().await.0, 1000);
    let started = Instant::now();
    client.ends().await;
    assert_eq!(started.elapsed(), 5 * SECOND);
    let ending = host.ending().await;
    assert_eq!((ending.clean, ending.duration, ending.cause), (false, 5 * SECOND, Cause::Plugin));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_without_answering_a_close() {
    let host = Setup::new(when_message(|_, _| refuses(4000, "go"))).start();
    let mut client = host.connect().await;
    client.text("x").await;
    assert_eq!(client.next_close().await.0, 4000);
    drop(client);
    let ending = host.ending().await;
    assert_eq!((ending.frame, ending.clean, ending.duration.is_zero()), (frame(4000, "go"), false, true));
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_our_close_is_not_heard() {
    let host = Setup::new(when_message(|_, _| refuses(1000, ""))).start();
    let mut client = host.connect().await;
    client.text("x").await;
    assert_eq!(client.next_close().await.0, 1000);
    for n in 0..1000 {
        client.text(&format!("ignored {n}")).await;
        client.frame(9, true, b"?").await;
        if n % 50 == 0 {
            sleep(SECOND / 2).await;
            if n == 300 {
                break;
            }
        }
    }
    client.close(1000, "").await;
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.clean, ending.messages_received), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_clients_close_is_not_heard() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    let mut bytes = super::harness::encode(8, true, &1000_u16.to_be_bytes());
    bytes.extend(super::harness::encode(1, true, b"after"));
    bytes.extend([0xff; 20]);
    client.write(&bytes).await;
    assert_eq!(client.next_close().await.0, 1000);
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.clean, ending.messages_received, ending.cause), (true, 0, Cause::Client));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_still_gets_what_was_queued() {
    let host = Setup::new(when_message(|guest, _| {
        for n in 0..100 {
            guest.send(text(&n.to_string())).unwrap();
        }
        done()
    }))
    .start();
    let mut client = host.connect_with(60).await;
    client.text("go").await;
    client.close(1000, "").await;
    for n in 0..100 {
        assert_eq!(client.next_text().await, n.to_string());
    }
    assert_eq!(client.next_close().await.0, 1000);
    client.ends().await;
    assert!(host.ending().await.clean);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_and_reads_nothing_is_cut_off() {
    let host = Setup::new(when_message(|guest, _| {
        guest.send(text(&"x".repeat(1000))).unwrap();
        done()
    }))
    .start();
    let mut client = host.connect_with(60).await;
    client.text("go").await;
    client.close(1000, "").await;
    let ending = host.ending().await;
    assert_eq!((ending.cause, ending.clean, ending.duration), (Cause::Client, false, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn both_close_at_once() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    // Neither has seen the other's: this task writes both before the connection's task runs.
    host.connections.close(id, frame(4000, "host")).unwrap();
    client.close(4001, "client").await;
    assert_eq!(client.next_close().await.0, 4000);
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.frame, ending.cause, ending.clean), (frame(4000, "host"), Cause::Plugin, true));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_closes_in_the_middle_of_a_call_need_not_end_it() {
    let host = Setup::new(when_message(|guest, _| {
        guest.connections.close(guest.id, frame(1000, "")).unwrap();
        later(30 * SECOND, done)
    }))
    .start();
    let mut client = host.connect().await;
    client.text("go").await;
    assert_eq!(client.is_closed().await.0, 1000);
    let ending = host.ending().await;
    assert!(ending.duration < 10 * MS && ending.clean);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_close_while_a_call_goes_on_that_then_closes_too() {
    let host = Setup::new(when_message(|_, _| later(SECOND, || refuses(4000, "mine")))).start();
    let mut client = host.connect().await;
    client.text("go").await;
    client.close(1000, "yours").await;
    let (code, _) = client.next_close().await;
    // The guest was asked before the client closed, so its answer comes first.
    assert_eq!(code, 4000);
    client.ends().await;
    let ending = host.ending().await;
    assert_eq!((ending.cause, ending.clean), (Cause::Plugin, true));
}

/// What a broken client still sends is read away for a moment: a reset would take the close frame from it.
#[tokio::test(start_paused = true)]
async fn a_client_in_the_middle_of_an_oversize_message_may_end_it() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect_with(1000).await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let message = super::harness::encode(2, true, &vec![0; 1 << 20]);
    let writing = tokio::spawn(async move { writer.write_all(&message).await.map(|()| writer) });
    let mut said = Vec::new();
    reader.read_to_end(&mut said).await.unwrap();
    assert_eq!(said[..4], [0x88, 17, 0x03, 0xf1]);
    client.stream = reader.unsplit(writing.await.unwrap().unwrap());
    drop(client);
    assert_eq!(host.ending().await.frame.code().get(), 1009);
}

#[tokio::test(start_paused = true)]
async fn who_is_only_opening_is_replaced_too() {
    let fake = super::harness::Fake::new(|_, _| done()).on_upgrade(|guest| async move {
        guest.connections.replace(guest.id).unwrap();
        Ok(Ok(socklet_core::Acceptance::default()))
    });
    let host = Setup::with(fake).start();
    let mut client = host.connect().await;
    assert_eq!(client.next_close().await.0, 1012);
    client.close(1012, "").await;
    client.ends().await;
    host.settled().await;
    assert_eq!(host.log.events(), [], "its guest hears of neither end");
}
