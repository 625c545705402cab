//! Clients behind proxies: who they are, and what they may have together.

use super::harness::{Client, Host, SECOND, Setup, echo};
use crate::{Edge, RealIpHeader, TrustedProxy};
use socklet_core::{Quotas, Rate};
use tokio::{io::DuplexStream, time::advance};

const PROXY: &str = "192.0.2.7:4711";

fn behind(header: RealIpHeader, limits: impl FnOnce(&mut crate::ServerConfig)) -> Host {
    let trusted = ["192.0.2.0/24".parse::<TrustedProxy>().unwrap()].into_iter().collect();
    let edge = Edge { trusted, real_ip: Some(header), ..Edge::default() };
    Setup::new(echo).server(limits).edge(edge).start()
}

/// The status of an upgrade request from an address with these fields, and the connection.
async fn ask(host: &Host, from: &str, fields: &[(&str, &str)]) -> (u16, Client<DuplexStream>) {
    let mut client = host.client_from(from, 64 * 1024);
    let status = client.ask(&Client::<DuplexStream>::handshake("/", fields)).await.status;
    (status, client)
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_of_the_client_and_not_of_the_proxy() {
    let host = behind(RealIpHeader::XForwardedFor, |config| config.max_connections_per_ip = Some(1));
    let (one, mut first) = ask(&host, PROXY, &[("X-Forwarded-For", "203.0.113.1")]).await;
    let (again, _) = ask(&host, PROXY, &[("X-Forwarded-For", "203.0.113.1")]).await;
    let (other, mut second) = ask(&host, PROXY, &[("X-Forwarded-For", "203.0.113.1, 203.0.113.2")]).await;
    // Who is not trusted speaks for nobody else.
    let (forged, mut third) = ask(&host, "198.51.100.1:5", &[("X-Forwarded-For", "203.0.113.3")]).await;
    let (same, _) = ask(&host, "198.51.100.1:6", &[("X-Forwarded-For", "203.0.113.4")]).await;
    // A proxy that says nothing is a client like any other.
    let (own, mut fourth) = ask(&host, PROXY, &[]).await;
    assert_eq!([one, again, other, forged, same, own], [101, 429, 101, 101, 429, 101]);
    for client in [&mut first, &mut second, &mut third, &mut fourth] {
        client.close(1000, "").await;
        assert_eq!(client.next_close().await.0, 1000);
    }
    host.settled().await;
    // What was held is free again.
    let (back, mut client) = ask(&host, PROXY, &[("X-Forwarded-For", "203.0.113.1")]).await;
    assert_eq!(back, 101);
    client.close(1000, "").await;
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_of_a_trusted_proxy_is_refused() {
    let host = behind(RealIpHeader::Forwarded, |_| {});
    let (status, _) = ask(&host, PROXY, &[("Forwarded", "for=nobody")]).await;
    assert_eq!(status, 400);
    assert_eq!(host.metric("socklet_handshakes_total{outcome=\"bad-handshake\"}"), 1);
    let mut client = host.client_from(PROXY, 64 * 1024);
    let head = client.ask("GET / HTTP/1.1\r\nHost: a\r\nForwarded: =\r\n\r\n").await;
    assert_eq!((head.status, &*head.body), (400, "the Forwarded field cannot be understood\n"));
    drop(client);
    // Whoever is not asked may say anything.
    let (status, mut client) = ask(&host, "198.51.100.1:5", &[("Forwarded", "for=nobody")]).await;
    assert_eq!(status, 101);
    client.close(1000, "").await;
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_same_origin_is_told_by_the_scheme_of_the_client() {
    let host = behind(RealIpHeader::XRealIp, |_| {});
    let page = ("Origin", "https://example.test");
    for (from, proto, expected) in
        [(PROXY, "https", 101), (PROXY, "http", 403), (PROXY, "ftp", 400), ("198.51.100.1:5", "https", 403)]
    {
        let fields = [page, ("X-Real-IP", "203.0.113.1"), ("X-Forwarded-Proto", proto)];
        let (status, _client) = ask(&host, from, &fields).await;
        assert_eq!(status, expected, "{from} {proto}");
    }
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn rates_of_clients_and_of_tenants() {
    let rate = Rate::per_second(2);
    let host = behind(RealIpHeader::XForwardedFor, |config| config.connection_rate = Some(rate));
    let mut statuses = Vec::new();
    for client in ["2001:db8::1", "2001:db8::2", "2001:db8::3", "203.0.113.1"] {
        statuses.push(ask(&host, PROXY, &[("X-Forwarded-For", client)]).await.0);
    }
    assert_eq!(statuses, [101, 101, 429, 101], "a network of IPv6 is one client");
    assert_eq!(host.metric("socklet_limit_hits_total{limit=\"connection_rate\"}"), 1);
    host.settled().await;

    let quotas = Quotas { connection_rate: Some(rate), ..Quotas::default() };
    let host = Setup::new(echo).route("other", "/other", None).tenant("other").quotas("acme", quotas).start();
    let mut statuses = Vec::new();
    for port in 1..=3 {
        statuses.push(ask(&host, &format!("198.51.100.{port}:1"), &[]).await.0);
    }
    assert_eq!(statuses, [101, 101, 429]);
    assert_eq!(host.metric("socklet_limit_hits_total{limit=\"tenant_connection_rate\"}"), 1);
    advance(SECOND).await;
    assert_eq!(ask(&host, "198.51.100.9:1", &[]).await.0, 101);
    host.settled().await;
}
