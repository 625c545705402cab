//! The request as plugins see it.

use super::harness::{Client, Fake, Setup, done};
use socklet_core::{Acceptance, Field, UpgradeRequest};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};
use tokio::io::DuplexStream;

/// What a guest on `/rooms/{room}/{*rest}` sees of a request.
async fn record(request: &[u8]) -> UpgradeRequest {
    let seen = Arc::new(Mutex::new(None));
    let saw = seen.clone();
    let fake = Fake::new(|_, _| done()).on_upgrade(move |guest| {
        *saw.lock().unwrap() = Some((*guest.request).clone());
        async { Ok(Ok(Acceptance::default())) }
    });
    let host = Setup::with(fake)
        .config(|config| config.path = crate::PathPattern::parse("/rooms/{room}/{*rest}").unwrap())
        .start();
    let mut client = host.client();
    client.write(request).await;
    assert_eq!(client.head().await.status, 101);
    let record = seen.lock().unwrap().take().unwrap();
    assert_eq!(socklet_core::Connections::ids(&*host.connections), [record.connection]);
    record
}

#[tokio::test(start_paused = true)]
async fn everything_about_a_request() {
    let head = Client::<DuplexStream>::handshake(
        "/rooms/caf%C3%A9%20bar/a/b?x=%20y&x=2",
        &[("Host", "Example.Test:8080"), ("X-B", " two "), ("X-A", "one"), ("x-b", "three")],
    );
    let request = record(head.as_bytes()).await;
    assert_eq!(request.listener, "public");
    assert_eq!((&*request.method, request.secure), ("GET", false));
    assert_eq!(request.authority, "Example.Test:8080");
    assert_eq!(request.path, "/rooms/café bar/a/b");
    assert_eq!(request.query.as_deref(), Some("x=%20y&x=2"));
    let captures = [("room", "café bar"), ("rest", "a/b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.captures, captures);
    assert_eq!(request.client_ip, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))));
    assert_eq!(request.client_port, 4711);
    for (name, value) in
        [("tenant", "acme"), ("route", "main"), ("http.version", "1.1"), ("local.address", "192.0.2.1:80")]
    {
        assert!(request.attributes.contains(&(name.to_owned(), value.to_owned())), "{name}: {:?}", request.attributes);
    }
    let names: Vec<_> = request.headers.iter().map(|field| &*field.name).collect();
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()), "{names:?}");
    let of_ours = |field: &&Field| field.name.starts_with("x-");
    let ours: Vec<_> = request.headers.iter().filter(of_ours).map(|field| (&*field.name, &*field.value)).collect();
    // HTTP gives a meaning to the order of the values of one name only.
    assert_eq!(ours, [("x-b", "two"), ("x-b", "three"), ("x-a", "one")]);
}

#[tokio::test(start_paused = true)]
async fn values_that_are_not_utf_8_and_no_query() {
    let head = Client::<DuplexStream>::handshake("/rooms/1/", &[("X-Name", "Zoé"), ("X-Old", "Zo@")]);
    let bytes: Vec<u8> = head.bytes().map(|byte| if byte == b'@' { 0xe9 } else { byte }).collect();
    let request = record(&bytes).await;
    assert_eq!((request.header("x-name"), request.header("x-old")), (Some("Zoé"), Some("Zoé")));
    assert_eq!(request.query, None);
    assert_eq!(request.capture("rest"), Some(""));
}
