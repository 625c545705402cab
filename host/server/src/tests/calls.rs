//! Calls come in order, one at a time, and the socket waits for them.

use super::harness::{MS, SECOND, Setup, done, echo, encode, later, text, when_message};
use socklet_core::Event;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_and_calls_do_not_overlap() {
    // Every third call takes a while: answers at once and later ones mix. Overlaps are faults of the log.
    let count = AtomicUsize::new(0);
    let host = Setup::new(when_message(move |guest, message| {
        guest.send(message.clone()).unwrap();
        if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) { later(5 * MS, done) } else { done() }
    }))
    .start();
    let mut client = host.connect().await;
    let sent: Vec<_> = (0..500).map(|n| format!("{n}")).collect();
    for message in &sent {
        client.text(message).await;
    }
    for message in &sent {
        assert_eq!(client.next_text().await, *message);
    }
    client.close(1000, "").await;
    let ending = host.ending().await;
    assert_eq!((ending.messages_received, ending.messages_sent), (500, 500));
    assert!(host.log.messages().iter().map(|message| message.as_bytes()).eq(&sent));
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_the_open() {
    let host = Setup::new(|guest, event| match event {
        Event::Open => later(SECOND, done),
        event => echo(guest, event),
    })
    .start();
    let mut client = host.connect().await;
    let started = Instant::now();
    client.text("early").await;
    assert_eq!(client.next_text().await, "early");
    assert_eq!(started.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn frames_behind_the_upgrade_request_are_kept() {
    let host = Setup::new(echo).start();
    let mut client = host.client();
    let mut bytes = super::harness::Client::<tokio::io::DuplexStream>::handshake("/", &[]).into_bytes();
    for n in 0..100 {
        bytes.extend(encode(1, true, format!("pipelined {n}").as_bytes()));
    }
    bytes.extend(encode(9, true, b"?"));
    bytes.extend(&encode(1, true, b"cut in two")[..9]);
    client.write(&bytes).await;
    assert_eq!(client.head().await.status, 101);
    let mut texts = Vec::new();
    while texts.len() < 100 {
        let frame = client.next().await.unwrap();
        if frame.opcode == 1 {
            texts.push(String::from_utf8(frame.payload).unwrap());
        }
    }
    assert!(texts.iter().enumerate().all(|(n, text)| *text == format!("pipelined {n}")), "{texts:?}");
    client.write(&encode(1, true, b"cut in two")[9..]).await;
    loop {
        let frame = client.next().await.unwrap();
        if frame.opcode == 1 {
            break assert_eq!(frame.payload, b"cut in two");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_call_goes_on_and_a_message_waits_nothing_is_read() {
    let host = Setup::new(when_message(|_, _| later(60 * SECOND, done)))
        .limits(|limits| limits.max_message_size = 1 << 20)
        .start();
    let mut client = host.connect_with(8 * 1024).await;
    client.text("call").await;
    client.text("wait").await;
    host.log.reaches(2).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counting = taken.clone();
    let writing = tokio::spawn(async move {
        let message = encode(2, true, &[0; 1000]);
        loop {
            client.write(&message).await;
            counting.fetch_add(message.len(), Ordering::SeqCst);
        }
    });
    sleep(50 * SECOND).await;
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < 8 * 1024 + 4096 + 2000, "{taken} bytes: the pipe's own and one read");
    assert_eq!(host.log.messages(), [text("call")]);
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_a_call_goes_on() {
    let host = Setup::new(when_message(|_, _| later(60 * SECOND, done))).start();
    let mut client = host.connect().await;
    client.text("call").await;
    host.log.reaches(2).await;
    let started = Instant::now();
    for payload in [&b""[..], b"ping", &[7; 125]] {
        client.frame(9, true, payload).await;
        let pong = client.next().await.unwrap();
        assert_eq!((pong.opcode, pong.fin, &pong.payload[..]), (10, true, payload));
    }
    assert!(started.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn pings_between_fragments_are_answered_and_the_message_is_whole() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    client.frame(1, false, "hä".as_bytes().split_last().unwrap().1).await;
    client.frame(9, true, b"now").await;
    assert_eq!(client.next().await.unwrap().opcode, 10);
    client.frame(0, true, &["hä".as_bytes()[2], b'!']).await;
    assert_eq!(client.next_text().await, "hä!");
    assert_eq!(host.log.messages(), [text("hä!")]);
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_byte_by_byte() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    for message in ["", "a", &"long ".repeat(60)] {
        for byte in encode(1, true, message.as_bytes()) {
            client.write(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.next_text().await, message);
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_message_is_taken() {
    let host = Setup::new(echo).start();
    let mut client = host.connect_with(1 << 20).await;
    let largest = "x".repeat(64 * 1024);
    client.text(&largest).await;
    assert_eq!(client.next_text().await, largest);
    client.text(&(largest + "x")).await;
    assert_eq!(client.next_close().await, (1009, "message too big".to_owned()));
}
