//! What guests send: accepted or refused at once, written in order, flushed.

use super::harness::{
    Fake, Guest, Judge, MS, SECOND, Setup, binary, done, echo, frame, later, principal, text, when_message,
};
use bytes::Bytes;
use socklet_core::{Acceptance, ConnectionId, Connections, Event, Opcode, SendError};
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn both_kinds_of_message_in_all_sizes() {
    let host = Setup::new(echo)
        .limits(|limits| limits.max_message_size = 1 << 20)
        .limits(|limits| limits.max_frame_size = 1 << 20)
        .start();
    let mut client = host.connect_with(1 << 20).await;
    for len in [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 200_000] {
        for opcode in [1, 2] {
            let payload = vec![b'x'; len];
            client.frame(opcode, true, &payload).await;
            let frame = client.next().await.unwrap();
            assert!(frame.opcode == opcode && frame.fin && frame.payload == payload, "{frame:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn to_everybody_but_one() {
    let host = Setup::new(|_, _| done()).route("other", "/other", Some(Fake::new(echo))).start();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(host.connect().await);
    }
    let mut elsewhere = host.client().upgrade("/other", &[]).await;
    let ids = host.connections.ids();
    assert_eq!((ids.len(), host.connections.count()), (5, 5));
    assert_eq!(host.connections.send_all(text("one").as_ref(), None), 5);
    assert_eq!(host.connections.send_all(text("two").as_ref(), Some(ids[2])), 4);
    assert_eq!(host.connections.send_all(text("three").as_ref(), Some(ConnectionId::from(1))), 5);
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.next_text().await, "one");
        if n != 2 {
            assert_eq!(client.next_text().await, "two");
        }
        assert_eq!(client.next_text().await, "three");
    }
    // The ids of another route are unknown here, and nothing reaches it.
    let id = host.of_route[1].ids()[0];
    assert_eq!(host.connections.send(id, text("x").as_ref()), Err(SendError::Unknown));
    assert_eq!(host.connections.close(id, frame(1000, "")), Err(SendError::Unknown));
    assert_eq!(host.connections.set_attachment(id, Bytes::new()), Err(SendError::Unknown));
    assert_eq!(host.connections.queued(id), 0);
    assert!(host.connections.subscribe(id, "t").is_err());
    assert_eq!(host.connections.flush(id).await, Err(SendError::Unknown));
    elsewhere.text("only this").await;
    assert_eq!(elsewhere.next_text().await, "only this");
}

type Seen = Arc<Mutex<Vec<(&'static str, Result<(), SendError>)>>>;

/// Tries everything that can be refused.
fn attempts(guest: &Guest, when: &'static str, seen: &Seen) {
    let (connections, id) = (&guest.connections, guest.id);
    let mut seen = seen.lock().unwrap();
    seen.push((when, connections.send(id, text("hello").as_ref())));
    seen.push((when, connections.send_frame(id, Opcode::Ping, true, b"")));
    assert_eq!(connections.send_all(text("all").as_ref(), None), u64::from(when == "open"));
    assert_eq!(connections.ids().contains(&id), when == "open");
    assert_eq!(connections.count(), usize::from(when == "open"));
    assert_eq!(connections.subscribe(id, "topic").is_ok(), when == "open");
    seen.push((when, connections.set_attachment(id, format!("{when} ").into())));
}

#[tokio::test(start_paused = true)]
async fn before_the_open_and_after_the_end_nothing_can_be_sent() {
    let seen = Seen::default();
    let (on_event, on_upgrade) = (seen.clone(), seen.clone());
    let fake = Fake::new(move |guest, event| {
        match event {
            Event::Open => {
                assert_eq!(guest.connections.attachment(guest.id), "upgrade ");
                attempts(guest, "open", &on_event);
            }
            Event::Close(_) => {
                assert_eq!(guest.connections.attachment(guest.id), "open ");
                assert_eq!(guest.connections.principal_of(guest.id).unwrap().subject(), "ada");
                assert_eq!(guest.connections.close(guest.id, frame(1000, "")), Err(SendError::Unknown));
                attempts(guest, "close", &on_event);
                assert_eq!(guest.connections.attachment(guest.id), "close ");
            }
            Event::Message(_) | Event::Frame(_) => {}
        }
        done()
    })
    .on_upgrade(move |guest| {
        assert_eq!(guest.principal.as_deref(), Some(&principal("ada")));
        assert_eq!(guest.connections.close(guest.id, frame(1000, "")), Err(SendError::NotOpen));
        attempts(&guest, "upgrade", &on_upgrade);
        async { Ok(Ok(Acceptance::default())) }
    });
    let host = Setup::with(fake).authenticators(vec![Judge::grants(principal("ada"))]).start();
    let mut client = host.connect().await;
    assert_eq!(client.next_text().await, "hello");
    assert_eq!(client.next().await.unwrap().opcode, 9);
    assert_eq!(client.next_text().await, "all");
    let id = host.connections.ids()[0];
    assert_eq!(host.connections.principal_of(id).unwrap().subject(), "ada");
    client.close(1000, "").await;
    let ending = host.ending().await;
    assert_eq!(ending.messages_sent, 2);
    assert_eq!(host.connections.attachment(id), Bytes::new());
    assert_eq!(host.connections.principal_of(id), None);
    assert_eq!(host.connections.send(id, text("x").as_ref()), Err(SendError::Unknown));
    let expected = [("upgrade", Err(SendError::NotOpen)), ("open", Ok(())), ("close", Err(SendError::Unknown))];
    let expected: Vec<_> =
        expected.into_iter().flat_map(|(when, sent)| [(when, sent), (when, sent), (when, Ok(()))]).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_on_a_route_without_authenticators() {
    let host = Setup::new(|_, _| done()).start();
    let _client = host.connect().await;
    assert_eq!(host.connections.principal_of(host.connections.ids()[0]), None);
}

#[tokio::test(start_paused = true)]
async fn attachments_have_16_kib() {
    let host = Setup::new(|_, _| done()).start();
    let _client = host.connect().await;
    let id = host.connections.ids()[0];
    assert_eq!(host.connections.attachment(id), Bytes::new());
    let largest = Bytes::from(vec![1; 16 * 1024]);
    host.connections.set_attachment(id, largest.clone()).unwrap();
    let larger = Bytes::from(vec![2; 16 * 1024 + 1]);
    assert_eq!(host.connections.set_attachment(id, larger), Err(SendError::Full));
    assert_eq!(host.connections.attachment(id), largest);
    host.connections.set_attachment(id, Bytes::new()).unwrap();
    assert_eq!(host.connections.attachment(id), Bytes::new());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_fits_is_refused_and_nobody_closed() {
    let host = Setup::new(|_, _| done()).limits(|limits| limits.send_queue_max_bytes = 1000).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    // A header of 4 bytes counts.
    assert_eq!(host.connections.send(id, binary(&[0; 997]).as_ref()), Err(SendError::TooLarge));
    assert_eq!(host.connections.send(id, binary(&[0; 996]).as_ref()), Ok(()));
    assert_eq!(client.next().await.unwrap().payload.len(), 996);
    client.close(1000, "").await;
    assert_eq!(host.ending().await.messages_sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_closes() {
    let host = Setup::new(|_, _| done()).limits(|limits| limits.send_queue_max_bytes = 1000).start();
    let mut client = host.connect_with(10).await;
    let id = host.connections.ids()[0];
    assert_eq!(host.connections.send(id, text(&"a".repeat(498)).as_ref()), Ok(()));
    sleep(MS).await; // the first is with the socket now, which took 10 bytes; the others count on
    assert_eq!(host.connections.queued(id), 492);
    assert_eq!(host.connections.send(id, text(&"b".repeat(504)).as_ref()), Ok(()));
    assert_eq!(host.connections.queued(id), 1000);
    assert_eq!(host.metric("socklet_send_queue_bytes"), 1000);
    assert_eq!(host.connections.send(id, text("").as_ref()), Err(SendError::Full));
    assert_eq!(host.connections.send(id, text("").as_ref()), Err(SendError::Unknown));
    assert_eq!((host.connections.count(), host.connections.ids()), (0, vec![]));
    // What was not on its way is dropped: the close frame is next.
    assert_eq!(client.next_text().await, "a".repeat(498));
    assert_eq!(client.is_closed().await, (1013, "reading too slowly".to_owned()));
    host.ending().await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_until_everything_is_written() {
    let host = Setup::new(when_message(|guest, _| {
        for _ in 0..10 {
            guest.send(text(&"x".repeat(1000))).unwrap();
        }
        let flushed = guest.connections.flush(guest.id);
        let guest = guest.clone();
        socklet_core::Call::Pending(Box::pin(async move {
            assert_eq!(flushed.await, Ok(()));
            assert_eq!(guest.connections.queued(guest.id), 0);
            guest.send(text("flushed")).unwrap();
            Ok(socklet_core::Answer::Proceed)
        }))
    }))
    .start();
    let mut client = host.connect_with(500).await;
    let id = host.connections.ids()[0];
    client.text("go").await;
    host.log.reaches(2).await;
    assert_eq!(timeout(10 * SECOND, host.connections.flush(id)).await.ok(), None);
    assert_eq!(host.connections.queued(id), 10 * 1004 - 500);
    let (flushed, ()) = tokio::join!(host.connections.flush(id), async {
        for _ in 0..10 {
            assert_eq!(client.next_text().await.len(), 1000);
        }
        assert_eq!(client.next_text().await, "flushed");
    });
    assert_eq!(flushed, Ok(()));
    assert_eq!(host.connections.flush(id).await, Ok(()), "nothing is queued");
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_with_its_connection() {
    let host = Setup::new(|_, _| done()).start();
    for how in ["vanishes", "is closed", "overflows"] {
        let client = host.connect_with(500).await;
        let id = host.connections.ids()[0];
        host.connections.send(id, text(&"x".repeat(5000)).as_ref()).unwrap();
        let flush = tokio::spawn(host.connections.flush(id));
        sleep(SECOND).await;
        let started = Instant::now();
        let client = (how != "vanishes").then_some(client);
        match how {
            "is closed" => host.connections.close(id, frame(1000, "")).unwrap(),
            "overflows" => while host.connections.send(id, text(&"x".repeat(100_000)).as_ref()).is_ok() {},
            _ => {}
        }
        assert_eq!(flush.await.unwrap(), Err(SendError::Unknown), "{how}");
        assert!(started.elapsed() <= 5 * SECOND, "{how}");
        drop(client);
        assert_eq!(host.connections.flush(id).await, Err(SendError::Unknown));
    }
    host.log.ends(3).await;
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_before_the_open_is_refused() {
    let fake = Fake::new(echo).on_upgrade(|guest| async move {
        assert_eq!(guest.connections.flush(guest.id).await, Err(SendError::NotOpen));
        Ok(Ok(Acceptance::default()))
    });
    let host = Setup::with(fake).start();
    host.connect().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_send_is_written_while_a_call_goes_on() {
    let host = Setup::new(when_message(|_, _| later(60 * SECOND, done))).start();
    let mut client = host.connect().await;
    client.text("x").await;
    host.log.reaches(2).await;
    let started = Instant::now();
    let id = host.connections.ids()[0];
    let messages = [text("a"), binary(b"b"), text("c")];
    for message in &messages {
        host.connections.send(id, message.as_ref()).unwrap();
    }
    for message in &messages {
        assert_eq!(client.next().await.unwrap().payload, **message.as_bytes());
    }
    assert!(started.elapsed().is_zero());
}
