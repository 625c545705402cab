//! What all routes of a tenant may have together, and that nobody else is affected.

use super::harness::{Client, Fake, Head, Host, Judge, MS, SECOND, Setup, done, echo, frame, later, never, text};
use crate::Drain;
use socklet_core::{
    Acceptance, CallError, Cause, Connections, Event, EventId, Heartbeat, Quotas, Rate, Response, SubscribeError,
    Verdict,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep},
};

/// Routes `/…` and `/two` of the tenant `acme`, and `/other` of another that has the same quotas.
fn setup(quotas: Quotas) -> Setup {
    Setup::new(echo)
        .route("two", "/two", Some(Fake::new(echo)))
        .route("other", "/other", Some(Fake::new(echo)))
        .tenant("other")
        .quotas("acme", quotas.clone())
        .quotas("other", quotas)
}

fn connections(max: usize) -> Quotas {
    Quotas { connections: Some(max), ..Quotas::default() }
}

fn messages(rate: Rate) -> Quotas {
    Quotas { messages: Some(rate), ..Quotas::default() }
}

async fn ask(host: &Host, path: &str) -> Head {
    host.client().ask(&Client::<DuplexStream>::handshake(path, &[])).await
}

async fn open(host: &Host, path: &str) -> Client<DuplexStream> {
    host.client().upgrade(path, &[]).await
}

fn hits(host: &Host, limit: &str) -> u64 {
    host.metric(&format!("socklet_limit_hits_total{{limit=\"tenant_{limit}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn connections_of_all_routes_are_counted_together() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    let judge = Judge::says(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        Ok(Verdict::Grant(super::harness::principal("ada")))
    });
    let host = Setup::new(echo)
        .authenticators(vec![judge])
        .route("two", "/two", Some(Fake::new(echo)))
        .route("other", "/other", Some(Fake::new(echo)))
        .tenant("other")
        .quotas("acme", connections(2))
        .start();
    let mut first = host.connect().await;
    let second = open(&host, "/two").await;
    for path in ["/", "/two"] {
        let head = ask(&host, path).await;
        assert_eq!((head.status, &*head.body), (503, "not available, try again later\n"), "{path}");
        assert_eq!(head.field("retry-after"), Some("5"));
    }
    assert_eq!((hits(&host, "max_connections"), asked.load(Ordering::SeqCst)), (2, 1), "no plugin was asked");
    let _others = [open(&host, "/other").await, open(&host, "/other").await, open(&host, "/other").await];
    first.close(1000, "").await;
    host.log.ends(1).await;
    sleep(SECOND).await;
    assert_eq!(
        [ask(&host, "/two").await.status, ask(&host, "/two").await.status],
        [101, 101],
        "those are gone at once"
    );
    drop(second);
    host.log.ends(4).await;
    sleep(SECOND).await;
    let _both = [open(&host, "/").await, open(&host, "/").await];
    assert_eq!((ask(&host, "/").await.status, hits(&host, "max_connections")), (503, 3));
}

/// Until its `on-close` is over, a connection occupies its place.
#[tokio::test(start_paused = true)]
async fn a_place_is_free_after_the_close() {
    let closing = |_: &_, event: &Event| if matches!(event, Event::Close(_)) { later(SECOND, done) } else { done() };
    let host = Setup::new(closing).quotas("acme", connections(1)).start();
    drop(host.connect().await);
    host.log.ends(1).await;
    assert_eq!(ask(&host, "/").await.status, 503);
    sleep(2 * SECOND).await;
    assert_eq!(ask(&host, "/").await.status, 101);
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn every_refusal_gives_the_place_back() {
    let denied = || Response { status: 401, headers: vec![], body: "".into() };
    let failed = || CallError::Host { event: EventId::next() };
    let denies = Judge::says(move |_| Ok(Verdict::Deny(denied())));
    let fails = Judge::says(move |_| Err(failed()));
    let abstains = Judge::says(|_| Ok(Verdict::Abstain));
    let answering = || Fake::new(|_, _| done());
    let host =
        Setup::with(answering().on_upgrade(move |_| async move { Ok(Err(denied())) }))
            .route("denied", "/denied", Some(answering()))
            .authenticators(vec![denies])
            .route("failed", "/failed", Some(answering()))
            .authenticators(vec![fails])
            .route("abstained", "/abstained", Some(answering()))
            .authenticators(vec![abstains])
            .route("hung", "/hung", Some(answering()))
            .authenticators(vec![Judge::never()])
            .route("died", "/died", Some(answering().on_upgrade(move |_| async move { Err(failed()) })))
            .route("panicked", "/panicked", Some(answering().on_upgrade(|_| async { panic!("expected by the test") })))
            .route(
                "wrong",
                "/wrong",
                Some(answering().on_upgrade(|_| async {
                    Ok(Ok(Acceptance { subprotocol: Some("unasked".into()), headers: vec![] }))
                })),
            )
            .route("full", "/full", Some(answering()))
            .limits(|limits| limits.max_connections = Some(0))
            .route("good", "/good", Some(answering()))
            .quotas("acme", connections(1))
            .start();
    for (path, status) in [
        ("/", 401),
        ("/denied", 401),
        ("/failed", 500),
        ("/abstained", 401),
        ("/hung", 503),
        ("/died", 500),
        ("/panicked", 500),
        ("/wrong", 500),
        ("/full", 503),
    ] {
        assert_eq!(ask(&host, path).await.status, status, "{path}");
        host.settled().await;
    }
    // Whoever goes while it is being judged, and whoever goes before the 101.
    let mut client = host.client();
    client.write(Client::<DuplexStream>::handshake("/hung", &[]).as_bytes()).await;
    sleep(SECOND).await;
    assert_eq!(ask(&host, "/good").await.status, 503, "it is taken meanwhile");
    drop(client);
    host.settled().await;
    let mut client = host.client();
    client.write(Client::<DuplexStream>::handshake("/good", &[]).as_bytes()).await;
    drop(client);
    host.settled().await;
    assert_eq!(hits(&host, "max_connections"), 1);
    assert_eq!(ask(&host, "/good").await.status, 101);
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_much_is_slowed_down_and_the_others_have_their_turn() {
    let host = setup(messages(Rate::per_second(10))).start();
    let (mut noisy, mut quiet, mut other) =
        (host.connect().await, open(&host, "/two").await, open(&host, "/other").await);
    for n in 0..50 {
        noisy.text(&n.to_string()).await;
    }
    let began = Instant::now();
    sleep(MS).await;
    quiet.text("me too").await;
    other.text("not concerned").await;
    assert_eq!((other.next_text().await, began.elapsed() < 10 * MS), ("not concerned".to_owned(), true));
    assert_eq!(quiet.next_text().await, "me too");
    assert!(began.elapsed() <= 250 * MS, "one turn of the other's, and its own: {:?}", began.elapsed());
    for n in 0..50 {
        assert_eq!(noisy.next_text().await, n.to_string());
    }
    let took = began.elapsed();
    assert!((4000 * MS..4200 * MS).contains(&took), "ten at once, forty and one in their time: {took:?}");
    assert_eq!(hits(&host, "messages_per_second"), 41);
    for mut client in [noisy, quiet, other] {
        client.close(1000, "").await;
    }
    host.settled().await;
    assert!(host.log.endings().iter().all(|ending| ending.cause == Cause::Client));
}

#[tokio::test(start_paused = true)]
async fn bytes_count_as_messages_do() {
    let host = setup(Quotas { bytes_per_second: Some(1000), ..Quotas::default() }).start();
    let (mut one, mut two) = (host.connect().await, open(&host, "/two").await);
    let began = Instant::now();
    for _ in 0..4 {
        one.text(&"x".repeat(500)).await;
        two.text(&"y".repeat(500)).await;
    }
    for _ in 0..4 {
        assert_eq!(one.next_text().await.len(), 500);
        assert_eq!(two.next_text().await.len(), 500);
    }
    assert!((3000 * MS..3100 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(hits(&host, "bytes_per_second"), 6);
    // What never fits is not waited for.
    one.text(&"x".repeat(7000)).await;
    assert_eq!(one.is_closed().await, (1013, "too busy, try again later".to_owned()));
    two.text("still here").await;
    assert_eq!(two.next_text().await, "still here");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_would_come_too_late_ends_the_connection() {
    let host = setup(messages(Rate::per_second(2))).start();
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(open(&host, if n % 2 == 0 { "/" } else { "/two" }).await);
    }
    for client in &mut clients {
        client.text("x").await;
        sleep(MS).await;
    }
    // Two at once, and ten within five seconds.
    for (n, client) in clients.iter_mut().enumerate() {
        match n {
            0..12 => assert_eq!(client.next_text().await, "x", "{n}"),
            _ => assert_eq!(client.is_closed().await.0, 1013, "{n}"),
        }
    }
    assert_eq!(host.metric("socklet_connections_closed_total{code=\"1013\",cause=\"limit\"}"), 8);
    assert_eq!(hits(&host, "messages_per_second"), 18);
    assert_eq!(host.log.messages().len(), 12, "the guests got what had its turn");
    drop(clients);
    host.settled().await;
}

/// Somebody who waits for a turn can be closed, forgotten and drained like everybody else.
#[tokio::test(start_paused = true)]
async fn nothing_else_waits_for_the_turn() {
    let waiting = async || {
        let host = setup(messages(Rate { count: 1, per: 4 * SECOND })).start();
        let mut client = open(&host, "/").await;
        client.text("first").await;
        client.text("second").await;
        assert_eq!(client.next_text().await, "first");
        (host, client, Instant::now())
    };

    let (host, mut client, began) = waiting().await;
    host.connections.close(host.connections.ids()[0], frame(4000, "enough")).unwrap();
    assert_eq!(client.is_closed().await, (4000, "enough".to_owned()));
    assert!(began.elapsed() < MS * 10);
    assert_eq!(host.ending().await.messages_received, 2);
    assert_eq!(host.log.messages(), [text("first")]);

    let (host, mut client, began) = waiting().await;
    let plan = Drain { timeout: 30 * SECOND, batch: 10, interval: SECOND, jitter: Duration::ZERO, ..Drain::default() };
    let (_, closed) = tokio::join!(host.server.drain(plan), client.is_closed());
    assert_eq!((closed.0, began.elapsed() < MS * 10), (1012, true));
    host.settled().await;

    let (host, client, began) = waiting().await;
    drop(client);
    host.settled().await;
    assert!(began.elapsed() < 5 * SECOND);
    assert_eq!(host.log.messages(), [text("first"), text("second")], "what was sent is heard");
}

/// A ping that goes out meanwhile is not late: its pong was not looked for.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_not_silence() {
    let host = Setup::new(echo)
        .limits(|limits| limits.pong_timeout = SECOND)
        .config(|config| config.heartbeat = Heartbeat::new(SECOND, "hello").unwrap())
        .quotas("acme", messages(Rate { count: 1, per: 4 * SECOND }))
        .start();
    let mut client = host.connect().await;
    client.text("first").await;
    client.text("second").await;
    assert_eq!(client.next_text().await, "first");
    let ping = client.next().await.unwrap();
    assert_eq!((ping.opcode, &ping.payload[..]), (9, &b"hello"[..]));
    client.frame(10, true, b"hello").await;
    assert_eq!(client.next_text().await, "second");
    client.close(1000, "").await;
    assert_eq!(host.ending().await.cause, Cause::Client);
}

/// Both a call and the turn have to be over.
#[tokio::test(start_paused = true)]
async fn a_turn_and_a_call_are_waited_for() {
    for (call, expected) in [(SECOND, 2 * SECOND), (3 * SECOND, 3 * SECOND)] {
        let host =
            Setup::new(move |_, event| if matches!(event, Event::Message(_)) { later(call, done) } else { done() })
                .quotas("acme", messages(Rate { count: 1, per: 2 * SECOND }))
                .start();
        let mut client = host.connect().await;
        let began = Instant::now();
        client.text("first").await;
        client.text("second").await;
        host.log.reaches(3).await;
        let took = began.elapsed();
        assert!((expected..expected + 10 * MS).contains(&took), "{call:?}: {took:?}");
    }
    // Nobody spins while a call never ends.
    let host = Setup::new(|_, event| if matches!(event, Event::Message(_)) { never() } else { done() })
        .quotas("acme", messages(Rate::per_second(1)))
        .start();
    let mut client = host.connect().await;
    client.text("first").await;
    client.text("second").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(host.log.messages(), [text("first")]);
}

#[tokio::test(start_paused = true)]
async fn topics_of_all_routes_are_counted_together() {
    let host = setup(Quotas { topics: Some(3), ..Quotas::default() }).start();
    let (one, two, other) = (host.connect().await, open(&host, "/two").await, open(&host, "/other").await);
    sleep(MS).await;
    let of = |route: usize| (host.of_route[route].clone(), host.of_route[route].ids()[0]);
    let subscribe = |route: usize, topic: &str| {
        let (connections, id) = of(route);
        connections.subscribe(id, topic)
    };
    for (route, topic) in [(0, "news"), (0, "sport"), (1, "news")] {
        assert_eq!(subscribe(route, topic), Ok(()), "of each route one: {route} {topic}");
    }
    for (route, topic) in [(0, "weather"), (1, "sport")] {
        assert_eq!(subscribe(route, topic), Err(SubscribeError::Quota), "{route} {topic}");
    }
    assert_eq!((subscribe(0, "news"), subscribe(1, "news")), (Ok(()), Ok(())), "they are there");
    assert_eq!(subscribe(0, ""), Err(SubscribeError::Name));
    assert_eq!(hits(&host, "max_topics"), 2);
    for topic in ["news", "sport", "weather"] {
        assert_eq!(subscribe(2, topic), Ok(()), "another tenant's quota is its own");
    }
    assert_eq!((subscribe(2, "more"), hits(&host, "max_topics")), (Err(SubscribeError::Quota), 3));
    // A topic is there for as long as it has a subscriber.
    let (connections, id) = of(0);
    let guest = host.connect().await;
    sleep(MS).await;
    let second = host.connections.ids().into_iter().find(|other| *other != id).unwrap();
    connections.subscribe(second, "news").unwrap();
    connections.unsubscribe(id, "news");
    assert_eq!(subscribe(1, "sport"), Err(SubscribeError::Quota));
    drop(guest);
    host.log.ends(1).await;
    assert_eq!(subscribe(1, "sport"), Ok(()));
    connections.unsubscribe(id, "never was");
    assert_eq!(subscribe(1, "weather"), Err(SubscribeError::Quota));
    drop((one, two, other));
    host.settled().await;
}
