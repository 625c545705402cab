//! Topics: named groups of connections.

use super::harness::{Client, Fake, Host, SECOND, Setup, done, frame, text};
use socklet_core::{ConnectionId, Connections, SubscribeError};
use tokio::{io::DuplexStream, time::timeout};

async fn three() -> (Host, Vec<Client<DuplexStream>>, Vec<ConnectionId>) {
    let host = Setup::new(|_, _| done()).route("other", "/other", Some(Fake::new(|_, _| done()))).start();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(host.connect().await);
    }
    let ids = host.connections.ids();
    (host, clients, ids)
}

/// Nothing comes within a second.
async fn is_quiet(client: &mut Client<DuplexStream>) -> bool {
    timeout(SECOND, client.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn only_subscribers_get_what_is_published() {
    let (host, mut clients, ids) = three().await;
    let connections = &host.connections;
    assert_eq!(connections.publish("news", text("nobody").as_ref(), None), 0);
    connections.subscribe(ids[0], "news").unwrap();
    connections.subscribe(ids[1], "news").unwrap();
    connections.subscribe(ids[1], "news").unwrap();
    connections.subscribe(ids[2], "sport").unwrap();
    assert_eq!(connections.subscribers("news"), ids[..2]);
    assert_eq!(connections.publish("news", text("1").as_ref(), None), 2);
    assert_eq!(connections.publish("news", text("2").as_ref(), Some(ids[0])), 1);
    assert_eq!(host.of_route[1].publish("news", text("elsewhere").as_ref(), None), 0);
    assert_eq!(clients[0].next_text().await, "1");
    assert_eq!(clients[1].next_text().await, "1");
    assert_eq!(clients[1].next_text().await, "2");
    for client in &mut clients {
        assert!(is_quiet(client).await);
    }
    connections.unsubscribe(ids[1], "news");
    connections.unsubscribe(ids[1], "news");
    connections.unsubscribe(ids[1], "never was");
    assert_eq!(connections.publish("news", text("3").as_ref(), None), 1);
    assert_eq!(clients[0].next_text().await, "3");
    assert!(is_quiet(&mut clients[1]).await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_leaves_its_topics_when_it_closes() {
    let (host, mut clients, ids) = three().await;
    for id in &ids {
        host.connections.subscribe(*id, "a").unwrap();
        host.connections.subscribe(*id, "b").unwrap();
    }
    drop(clients.remove(0));
    host.log.ends(1).await;
    assert_eq!(host.connections.subscribers("a"), ids[1..]);
    assert_eq!(host.connections.publish("b", text("x").as_ref(), None), 2);
    // Already while it is closing.
    host.connections.close(ids[1], frame(1000, "")).unwrap();
    assert_eq!(host.connections.subscribers("a"), ids[2..]);
    assert_eq!(host.connections.publish("a", text("y").as_ref(), None), 1);
    assert_eq!(host.connections.subscribe(ids[1], "c"), Err(SubscribeError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn limits() {
    let (host, _clients, ids) = three().await;
    let subscribe = |topic: &str| host.connections.subscribe(ids[0], topic);
    assert_eq!(subscribe(""), Err(SubscribeError::Name));
    assert_eq!(subscribe(&"x".repeat(256)), Err(SubscribeError::Name));
    assert_eq!(subscribe(&"x".repeat(255)), Ok(()));
    for n in 1..128 {
        assert_eq!(subscribe(&n.to_string()), Ok(()));
    }
    assert_eq!(subscribe("one too many"), Err(SubscribeError::TooMany));
    assert_eq!(subscribe("7"), Ok(()), "it is there already");
    host.connections.unsubscribe(ids[0], "7");
    assert_eq!(subscribe("one more"), Ok(()));
    assert_eq!(host.connections.subscribe(ConnectionId::from(1), "x"), Err(SubscribeError::Unknown));
}
