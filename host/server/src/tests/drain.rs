//! Drain: everybody off the node, at a pace, by a deadline.

use super::harness::{Client, Judge, MS, SECOND, Setup, done, echo, later, never, when_message};
use crate::{Drain, DrainReport};
use socklet_core::{Cause, Event};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    time::{Instant, sleep},
};

fn plan(timeout: u32, batch: usize, interval: u32) -> Drain {
    Drain { timeout: timeout * SECOND, batch, interval: interval * MS, jitter: Duration::ZERO, ..Drain::default() }
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_1012_in_batches() {
    let host = Setup::new(echo).start();
    let started = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..25 {
        let mut client = host.connect().await;
        clients.push(tokio::spawn(async move {
            let closed = client.is_closed().await;
            (closed, started.elapsed())
        }));
    }
    let report = host.server.drain(plan(30, 10, 100)).await;
    assert_eq!(report, DrainReport { closed: 25, forced: 0 });
    assert_eq!(started.elapsed(), 200 * MS);
    let mut at = Vec::new();
    for client in clients {
        let (closed, after) = client.await.unwrap();
        assert_eq!(closed, (1012, "server restarting".to_owned()));
        at.push(after);
    }
    at.sort();
    let expected = [0, 100, 200].into_iter().zip([10, 10, 5]).flat_map(|(ms, n)| vec![ms * MS; n]);
    assert!(at.iter().copied().eq(expected), "{at:?}");
    host.settled().await;
    assert_eq!(host.log.endings().len(), 25);
    for ending in host.log.endings() {
        assert_eq!((ending.frame.code().get(), ending.cause, ending.clean), (1012, Cause::Operator, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_on_may_end() {
    let host = Setup::new(when_message(|_, _| later(10 * SECOND, done))).start();
    let mut client = host.connect().await;
    client.text("x").await;
    host.log.reaches(2).await;
    let started = Instant::now();
    let (report, closed) = tokio::join!(host.server.drain(plan(30, 10, 100)), client.is_closed());
    assert_eq!((report, closed.0), (DrainReport { closed: 1, forced: 0 }, 1012));
    assert_eq!(started.elapsed(), 10 * SECOND);
    assert_eq!(host.ending().await.duration, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_left_at_the_deadline_is_cut_off() {
    let host = Setup::new(when_message(|_, _| never())).limits(|limits| limits.close_timeout = 60 * SECOND).start();
    let (mut stuck, mut deaf) = (host.connect().await, host.connect().await);
    stuck.text("x").await;
    host.log.reaches(3).await;
    let started = Instant::now();
    let drain = tokio::spawn({
        let server = host.server.clone();
        async move { server.drain(plan(3, 10, 100)).await }
    });
    // The call of one never ends; the other does not answer the close frame.
    assert_eq!(stuck.is_closed().await.0, 1012);
    assert_eq!(deaf.next_close().await.0, 1012);
    deaf.ends().await;
    assert_eq!(drain.await.unwrap(), DrainReport { closed: 2, forced: 2 });
    assert_eq!(started.elapsed(), 3 * SECOND);
    host.settled().await;
    let endings = host.log.endings();
    assert_eq!(endings.len(), 2);
    assert!(endings.iter().all(|ending| ending.frame.code().get() == 1012 && ending.cause == Cause::Operator));
    assert_eq!(endings.iter().filter(|ending| ending.clean).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_never_ends_does_not_hold_the_drain_up() {
    let host = Setup::new(|_, event| if matches!(event, Event::Close(_)) { never() } else { done() }).start();
    let mut client = host.connect().await;
    let started = Instant::now();
    let (report, _) = tokio::join!(host.server.drain(plan(3, 10, 100)), client.is_closed());
    assert_eq!(report, DrainReport { closed: 1, forced: 1 });
    assert!(started.elapsed() <= 8 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn batches_are_closed_faster_where_their_pace_would_not_keep_the_deadline() {
    let host = Setup::new(echo).start();
    let mut clients = Vec::new();
    let started = Instant::now();
    for _ in 0..10 {
        let mut client = host.connect().await;
        clients.push(tokio::spawn(async move { client.is_closed().await.0 }));
    }
    let report = host.server.drain(plan(2, 1, 1000)).await;
    assert_eq!(report, DrainReport { closed: 10, forced: 0 });
    assert_eq!(started.elapsed(), 900 * MS);
    for client in clients {
        assert_eq!(client.await.unwrap(), 1012);
    }
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_connections_is_over_at_once() {
    let host = Setup::new(echo).start();
    let started = Instant::now();
    assert_eq!(host.server.drain(Drain::default()).await, DrainReport { closed: 0, forced: 0 });
    assert!(started.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_here_yet_is_not_served() {
    let host = Setup::new(echo).start();
    let (mut silent, mut half) = (host.client(), host.client());
    let handshake = Client::<DuplexStream>::handshake("/", &[]);
    let (begin, rest) = handshake.as_bytes().split_at(30);
    half.write(begin).await;
    sleep(MS).await;
    let drain = tokio::spawn({
        let server = host.server.clone();
        async move { server.drain(plan(30, 10, 100)).await }
    });
    sleep(MS).await;
    let mut said = String::new();
    silent.stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "");
    let _ = tokio::io::AsyncWriteExt::write_all(&mut half.stream, rest).await;
    half.stream.read_to_string(&mut said).await.unwrap();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 503 "), "{said}");
    assert_eq!(drain.await.unwrap(), DrainReport { closed: 0, forced: 0 });
    assert_eq!(host.log.events(), []);
}

/// The authenticator's answer comes when the drain has begun: the client gets its 101 and a 1012, the guest hears nothing.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_going_on_is_never_opened() {
    let fake = super::harness::Fake::new(|_, _| done()).on_upgrade(|_| async {
        sleep(SECOND).await;
        Ok(Ok(socklet_core::Acceptance::default()))
    });
    let host = Setup::with(fake).start();
    let mut client = host.client();
    client.write(Client::<DuplexStream>::handshake("/", &[]).as_bytes()).await;
    sleep(MS).await;
    let (report, ()) = tokio::join!(host.server.drain(plan(30, 10, 100)), async {
        assert_eq!(client.head().await.status, 101);
        assert_eq!(client.is_closed().await.0, 1012);
    });
    assert_eq!(report.forced, 0);
    assert_eq!(host.log.events(), []);
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_does_not_hold_the_drain_up() {
    let host = Setup::new(echo)
        .authenticators(vec![Judge::never()])
        .server(|server| server.handshake_timeout = 60 * SECOND)
        .start();
    let mut client = host.client();
    client.write(Client::<DuplexStream>::handshake("/", &[]).as_bytes()).await;
    sleep(MS).await;
    let started = Instant::now();
    assert_eq!(host.server.drain(plan(3, 10, 100)).await, DrainReport { closed: 0, forced: 1 });
    assert_eq!(started.elapsed(), 3 * SECOND);
    host.settled().await;
}
