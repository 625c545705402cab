//! How many connections there may be: of the node, of a route, of an address.

use super::harness::{Client, Fake, Head, Host, SECOND, Setup, done, echo, never};
use socklet_core::{Event, Rate};
use tokio::{io::DuplexStream, time::sleep};

async fn ask(host: &Host, path: &str, address: &str) -> (Head, Client<DuplexStream>) {
    let mut client = host.client_from(address, 64 * 1024);
    let head = client.ask(&Client::<DuplexStream>::handshake(path, &[])).await;
    (head, client)
}

fn hits(host: &Host, limit: &str) -> u64 {
    host.metric(&format!("socklet_limit_hits_total{{limit=\"{limit}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn a_full_node() {
    let host = Setup::new(echo)
        .route("other", "/other", Some(Fake::new(echo)))
        .server(|server| server.max_connections = 2)
        .start();
    let mut first = host.connect().await;
    let _second = host.connect().await;
    let (head, _) = ask(&host, "/other", "192.0.2.7:1").await;
    assert_eq!((head.status, &*head.body), (503, "not available, try again later\n"));
    assert_eq!(head.field("retry-after"), Some("5"));
    assert_eq!((hits(&host, "max_connections"), host.server.connections()), (1, 2));
    first.close(1000, "").await;
    host.log.ends(1).await;
    sleep(SECOND).await;
    assert_eq!(ask(&host, "/other", "192.0.2.7:1").await.0.status, 101);
}

#[tokio::test(start_paused = true)]
async fn a_full_route() {
    let host = Setup::new(echo)
        .limits(|limits| limits.max_connections = Some(1))
        .route("other", "/other", Some(Fake::new(echo)))
        .start();
    let first = host.connect().await;
    let (head, _) = ask(&host, "/", "192.0.2.7:1").await;
    assert_eq!((head.status, hits(&host, "route_max_connections")), (503, 1));
    assert_eq!(ask(&host, "/other", "192.0.2.7:1").await.0.status, 101);
    drop(first);
    host.log.ends(1).await;
    sleep(SECOND).await;
    assert_eq!(ask(&host, "/", "192.0.2.7:1").await.0.status, 101);
}

/// Until its `on-close` is over, a connection occupies its place: its guest is still there.
#[tokio::test(start_paused = true)]
async fn a_place_is_free_after_the_close() {
    let host = Setup::new(|_, event| if matches!(event, Event::Close(_)) { never() } else { done() })
        .limits(|limits| limits.max_connections = Some(1))
        .start();
    drop(host.connect().await);
    host.log.ends(1).await;
    assert_eq!(ask(&host, "/", "192.0.2.7:1").await.0.status, 503);
}

#[tokio::test(start_paused = true)]
async fn one_address_with_too_many_sockets() {
    let host = Setup::new(echo).server(|server| server.max_connections_per_ip = Some(2)).start();
    let (head, first) = ask(&host, "/", "192.0.2.7:1").await;
    assert_eq!(head.status, 101);
    let _idle = host.client_from("[::ffff:192.0.2.7]:2", 1000);
    let (head, _) = ask(&host, "/", "192.0.2.7:3").await;
    assert_eq!((head.status, &*head.body), (429, "too many connections, try again later\n"));
    assert_eq!((head.field("retry-after"), hits(&host, "max_connections_per_ip")), (Some("5"), 1));
    assert_eq!(ask(&host, "/", "192.0.2.8:1").await.0.status, 101);
    drop(first);
    host.log.ends(2).await;
    sleep(SECOND).await;
    assert_eq!(ask(&host, "/", "192.0.2.7:4").await.0.status, 101);
}

#[tokio::test(start_paused = true)]
async fn one_address_that_connects_too_fast() {
    let host = Setup::new(echo).server(|server| server.connection_rate = Some(Rate::per_second(2))).start();
    for status in [101, 101, 429, 429] {
        assert_eq!(ask(&host, "/", "192.0.2.7:1").await.0.status, status);
    }
    assert_eq!((hits(&host, "connection_rate"), ask(&host, "/", "192.0.2.8:1").await.0.status), (2, 101));
    sleep(SECOND).await;
    assert_eq!(ask(&host, "/", "192.0.2.7:1").await.0.status, 101);
}
