//! What changes while the server runs: routes, listeners, limits. Who is not concerned does not notice.

use super::harness::{Client, Fake, Host, Judge, MS, SECOND, Setup, done, echo, never, when_message};
use crate::{Bind, Drain, Route, RouteConfig, Routes, ServerConfig};
use socklet_core::{Cause, CloseReason, Connections, Heartbeat};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::TcpStream,
    time::{Instant, sleep},
};

fn quick() -> Drain {
    Drain { timeout: SECOND, batch: 2, interval: MS, jitter: Duration::ZERO, ..Drain::default() }
}

fn install(host: &Host, routes: &[Arc<Route>]) {
    host.server.install(Routes::new(routes.to_vec()).unwrap());
}

/// The first route with other settings, as a reload changes it.
fn change(host: &Host, change: impl FnOnce(&mut RouteConfig)) {
    let route = &host.routes[0];
    let mut config = (*route.config).clone();
    change(&mut config);
    route.connections.configure(&config);
    let (authenticators, behavior) = (route.authenticators.clone(), route.behavior.clone());
    install(host, &[Arc::new(Route::new(Arc::new(config), route.connections.clone(), authenticators, behavior))]);
}

async fn echoes(client: &mut Client<DuplexStream>) {
    client.text("a").await;
    assert_eq!(client.next_text().await, "a");
}

async fn tcp(bind: &Bind) -> Client<TcpStream> {
    let Bind::Tcp(address) = bind else { panic!("{bind}") };
    Client::new(TcpStream::connect(address).await.unwrap())
}

// --- routes ---

#[tokio::test(start_paused = true)]
async fn a_route_that_is_gone_closes_its_connections_and_no_other() {
    let host = Setup::new(echo).route("other", "/other", Some(Fake::new(echo))).start();
    let mut stays = host.connect().await;
    let mut goes = host.client().upgrade("/other", &[]).await;
    echoes(&mut goes).await;
    install(&host, &host.routes[..1]);
    // Requests are for the new table before anybody is closed; a rest of the path is served by the other route.
    host.client().upgrade("/other", &[]).await.close(1000, "").await;
    let leaving = host.server.retire(&host.of_route[1], &CloseReason::RouteRemoved);
    assert_eq!((leaving.len(), leaving.by_code()), (1, [(1001, 1)].into()));
    host.server.send_away(leaving, quick());
    assert_eq!(goes.is_closed().await, (1001, "route removed".to_owned()));
    echoes(&mut stays).await;
    stays.close(1000, "").await;
    host.settled().await;
    let causes: Vec<_> = host.log.endings().iter().map(|ending| ending.cause).collect();
    assert_eq!(causes.iter().filter(|cause| **cause == Cause::Operator).count(), 1, "{causes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_judged_when_its_route_goes_is_refused() {
    let fake = Fake::new(|_, _| done()).on_upgrade(|_| async {
        sleep(SECOND).await;
        Ok(Ok(socklet_core::Acceptance::default()))
    });
    let slow: Arc<dyn socklet_core::Authenticator> = Judge::later(SECOND);
    let host = Setup::with(fake).authenticators(vec![slow]).start();
    let (mut early, mut late) = (host.client(), host.client());
    let handshake = Client::<DuplexStream>::handshake("/", &[]);
    early.write(handshake.as_bytes()).await;
    sleep(SECOND).await;
    late.write(handshake.as_bytes()).await;
    sleep(SECOND / 2).await;
    // One waits for its authenticator, the other for `on-upgrade`.
    install(&host, &[]);
    host.server.send_away(host.server.retire(&host.connections, &CloseReason::RouteChanged), quick());
    let head = late.head().await;
    assert_eq!((head.status, head.field("retry-after")), (503, Some("1")));
    // It has its place already: it is let in, and told.
    assert_eq!(early.head().await.status, 101);
    assert_eq!(early.is_closed().await, (1012, "route changed".to_owned()));
    assert_eq!(host.log.events(), [], "the guest never hears of it");
    assert_eq!(host.client().ask(&handshake).await.status, 404);
    drop(late);
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn connections_go_in_batches_and_who_does_not_is_cut_off() {
    let host = Setup::new(when_message(|_, _| never())).start();
    let pace = Drain { timeout: 10 * SECOND, interval: SECOND, ..quick() };
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(host.connect().await);
    }
    let (mut stuck, mut deaf) = (clients.pop().unwrap(), clients.pop().unwrap());
    stuck.text("x").await;
    host.log.reaches(5).await;
    let started = Instant::now();
    install(&host, &[]);
    host.server.send_away(host.server.retire(&host.connections, &CloseReason::RouteRemoved), pace);
    let closed = clients.into_iter().map(|mut client| async move { client.is_closed().await.0 });
    for code in futures_util::future::join_all(closed).await {
        assert_eq!(code, 1001);
    }
    // It answers the close frame, and its call goes on: its socket is gone, and the call is cut off at the deadline.
    assert_eq!(stuck.is_closed().await.0, 1001);
    assert_eq!(deaf.next_close().await.0, 1001);
    deaf.ends().await;
    assert!(started.elapsed() <= 10 * SECOND, "{:?}", started.elapsed());
    host.server.drain(quick()).await;
    host.settled().await;
    assert_eq!(host.log.endings().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn limits_that_change_hold_for_open_connections_too() {
    let host = Setup::new(echo).start();
    let mut client = host.connect().await;
    echoes(&mut client).await;
    change(&host, |config| config.limits.max_message_size = 4);
    client.text("four").await;
    assert_eq!(client.next_text().await, "four");
    client.text("hello").await;
    assert_eq!(client.is_closed().await.0, 1009);

    let (mut idle, started) = (host.connect().await, Instant::now());
    sleep(SECOND).await;
    change(&host, |config| config.limits.idle_timeout = Some(3 * SECOND));
    assert_eq!(idle.is_closed().await, (1001, "idle for too long".to_owned()));
    assert_eq!(started.elapsed(), 3 * SECOND);

    let (mut old, started) = (host.connect().await, Instant::now());
    sleep(SECOND).await;
    change(&host, |config| config.limits.max_lifetime = Some(2 * SECOND));
    assert_eq!(old.is_closed().await, (1001, "maximum connection age reached".to_owned()));
    assert_eq!(started.elapsed(), 2 * SECOND);

    let mut fast = host.connect().await;
    change(&host, |config| config.limits.messages_per_second = Some(socklet_core::Rate::per_second(1)));
    echoes(&mut fast).await;
    fast.text("b").await;
    assert_eq!(fast.is_closed().await.0, 1008);
    change(&host, |config| config.limits.max_connections = Some(1));
    let mut one = host.connect().await;
    let full = host.client().ask(&Client::<DuplexStream>::handshake("/", &[])).await;
    assert_eq!((full.status, host.metric("socklet_limit_hits_total{limit=\"route_max_connections\"}")), (503, 1));
    one.close(1000, "").await;
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_a_plugin_has_set_stays_until_the_configured_one_changes() {
    let host = Setup::new(echo).start();
    let own = Heartbeat::new(5 * SECOND, "own").unwrap();
    host.connections.set_heartbeat(own.clone());
    change(&host, |config| config.limits.max_message_size = 10);
    assert_eq!(host.connections.heartbeat(), own);
    let mut client = host.connect().await;
    let configured = Heartbeat::new(2 * SECOND, "new").unwrap();
    change(&host, |config| config.heartbeat = configured.clone());
    assert_eq!(host.connections.heartbeat(), configured);
    let ping = client.next().await.unwrap();
    assert_eq!((ping.opcode, &ping.payload[..]), (9, &b"new"[..]));
    client.close(1000, "").await;
}

/// What was agreed on stays: messages to many are compressed for those who can, whatever the route says now.
#[tokio::test(start_paused = true)]
async fn compression_is_agreed_on_once() {
    let host = Setup::new(echo).config(|config| config.compression = Some(crate::Compression::default())).start();
    let offer = [("sec-websocket-extensions", "permessage-deflate")];
    let mut compressed = host.client().upgrade("/", &offer).await;
    change(&host, |config| config.compression = None);
    let mut plain = host.client();
    plain.write(Client::<DuplexStream>::handshake("/", &offer).as_bytes()).await;
    assert_eq!(plain.head().await.field("sec-websocket-extensions"), None);
    host.log.reaches(2).await;
    let long = "compress me ".repeat(100);
    let sent = host.connections.send_all(socklet_core::Message::Text(long.clone().into()).as_ref(), None);
    assert_eq!(sent, 2);
    assert_eq!(plain.next_text().await, long);
    let mut frame = [0; 2];
    compressed.stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[0], 0xc1, "the first reserved bit stands for compression");
}

// --- listeners ---

#[tokio::test]
async fn a_listener_stops_and_starts_while_the_others_go_on() {
    let host = Setup::new(echo).start();
    let (one, two) = (host.listen_as("one", "127.0.0.1:0", &[]).await.unwrap(), host.listen("127.0.0.1:0").await);
    let mut goes = tcp(&one).await.upgrade("/", &[]).await;
    let mut stays = tcp(&two).await.upgrade("/", &[]).await;
    let mut waits = tcp(&one).await;
    waits.write(b"GET / HT").await;
    let open = || host.server.listeners().iter().map(|listener| listener.connections).collect::<Vec<_>>();
    assert_eq!(open(), [1, 1]);

    let name = "one".parse().unwrap();
    let leaving = host.server.stop(&name).unwrap().released().await;
    assert!(host.server.stop(&name).is_none());
    assert_eq!(leaving.by_code(), [(1001, 1)].into());
    let Bind::Tcp(address) = &one else { panic!() };
    assert!(TcpStream::connect(address).await.is_err(), "the address is free at once");
    host.server.send_away(leaving, quick());
    assert_eq!(goes.is_closed().await, (1001, "listener stopped".to_owned()));
    waits.ends().await;
    stays.text("a").await;
    assert_eq!(stays.next_text().await, "a");

    assert_eq!(host.listen_as("one", &one.to_string(), &[]).await.unwrap(), one);
    let mut back = tcp(&one).await.upgrade("/", &[]).await;
    back.close(1000, "").await;
    stays.close(1000, "").await;
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_on_a_listener_that_was_stopped_is_refused() {
    let slow: Arc<dyn socklet_core::Authenticator> = Judge::later(SECOND);
    let host = Setup::new(echo).authenticators(vec![slow]).start();
    let (mut judged, mut later) = (host.client(), host.client());
    let handshake = Client::<DuplexStream>::handshake("/", &[]);
    judged.write(handshake.as_bytes()).await;
    sleep(MS).await;
    host.close_gate();
    assert_eq!(judged.head().await.status, 503);
    let mut said = String::new();
    later.stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "", "a socket without a request is closed");
    host.settled().await;
}

#[tokio::test]
async fn a_listener_with_other_settings_keeps_its_socket_and_its_connections() {
    let host = Setup::new(echo).start();
    let bind = host.listen_as("one", "127.0.0.1:0", &[]).await.unwrap();
    let mut client = tcp(&bind).await.upgrade("/", &[]).await;
    assert_eq!(host.listen_as("one", "127.0.0.1:0", &[]).await.unwrap(), bind, "the port that the system chose");
    tcp(&bind).await.upgrade("/", &[]).await.close(1000, "").await;
    // Another name for the same address.
    assert_eq!(host.listen_as("two", &bind.to_string(), &["one"]).await.unwrap(), bind);
    tcp(&bind).await.upgrade("/", &[]).await.close(1000, "").await;
    client.text("a").await;
    assert_eq!(client.next_text().await, "a");
    client.close(1000, "").await;
    host.settled().await;
}

#[tokio::test]
async fn an_address_may_become_wider_and_narrower() {
    let host = Setup::new(echo).start();
    let Bind::Tcp(narrow) = host.listen_as("one", "127.0.0.1:0", &[]).await.unwrap() else { panic!() };
    let wide = format!("0.0.0.0:{}", narrow.port());
    assert!(host.listen_as("two", &wide, &[]).await.is_err(), "where the other stays it is in the way");
    let local = host.listen_as("one", &wide, &["one"]).await.unwrap();
    assert_eq!(local.to_string(), wide);
    tcp(&Bind::Tcp(narrow)).await.upgrade("/", &[]).await.close(1000, "").await;
    // Another server is kept off the port as before.
    assert!(std::net::TcpListener::bind(narrow).is_err());
    assert_eq!(host.listen_as("one", &narrow.to_string(), &["one"]).await.unwrap(), Bind::Tcp(narrow));
    tcp(&Bind::Tcp(narrow)).await.upgrade("/", &[]).await.close(1000, "").await;
    host.settled().await;
}

// --- limits of the node ---

#[tokio::test(start_paused = true)]
async fn limits_of_the_node_change_and_close_nobody() {
    let host = Setup::new(echo).start();
    let (mut a, mut b) = (host.connect().await, host.connect().await);
    host.server.configure(ServerConfig { max_connections: 1, ..ServerConfig::default() });
    let handshake = Client::<DuplexStream>::handshake("/", &[]);
    assert_eq!(host.client().ask(&handshake).await.status, 503);
    echoes(&mut a).await;
    echoes(&mut b).await;
    host.server.configure(ServerConfig { handshake_timeout: SECOND, ..ServerConfig::default() });
    let (mut slow, started) = (host.client(), Instant::now());
    slow.write(b"GET / HT").await;
    let mut said = String::new();
    slow.stream.read_to_string(&mut said).await.unwrap();
    assert!(started.elapsed() <= 2 * SECOND, "{:?}", started.elapsed());
    a.close(1000, "").await;
    b.close(1000, "").await;
    host.connect().await.close(1000, "").await;
    host.settled().await;
}
