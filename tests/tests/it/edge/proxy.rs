//! The PROXY protocol: whom it is taken from, and what becomes of the rest.

use super::request;
use crate::tls;
use serde_json::Value;
use socklet_server::Bind;
use socklet_tests::{Authority, Connect, Process, Server, Trust, Wire};

const HEADERS: &str = "socklet_proxy_headers_total";

fn config(listener: &str) -> String {
    format!(
        "[[listener]]\n{listener}\n[[route]]\ndefault = true\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n"
    )
}

async fn server(listener: &str) -> Server {
    Server::start(&config(&format!("bind = '127.0.0.1:0'\n{listener}"))).await
}

/// Version 2, for TCP over IPv4.
fn binary(client: [u8; 4], port: u16) -> Vec<u8> {
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    [&start[..], &client, &[198, 51, 100, 2], &port.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

/// Sends a header and a request behind it: the request as the guest got it.
async fn introduced(to: &Bind, header: &[u8]) -> Value {
    let mut wire = Wire::connect(to).await;
    let head = Connect::new(to, "/").head();
    wire.write(&[header, head.as_bytes()].concat()).await;
    assert_eq!(wire.answer().await.status, 101);
    wire.frame(0x81, b"request").await;
    let mut answer: Value = serde_json::from_slice(&wire.next().await.unwrap().payload).unwrap();
    answer["ok"].take()
}

fn attribute<'r>(request: &'r Value, name: &str) -> Option<&'r str> {
    let pairs = request["attributes"].as_array().unwrap();
    pairs.iter().find(|pair| pair[0] == name)?[1].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_say_who_the_client_is() {
    let server = server("trusted_proxies = '127.0.0.0/8'\nproxy_protocol = 'any'").await;
    let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec();
    for (header, ip, port, local) in [
        (line, "2001:db8::7", 4711, "[2001:db8::1]:443"),
        (binary([203, 0, 113, 9], 5), "203.0.113.9", 5, "198.51.100.2:443"),
    ] {
        let request = introduced(server.address(), &header).await;
        assert_eq!((request["client_ip"].as_str(), request["client_port"].as_u64()), (Some(ip), Some(port)));
        assert_eq!(attribute(&request, "local.address"), Some(local));
        assert!(attribute(&request, "proxy.address").unwrap().starts_with("127.0.0.1:"));
        assert_eq!(request["secure"], false);
    }
    // A proxy that speaks for itself, or does not know.
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let request = introduced(server.address(), header).await;
        assert_eq!((request["client_ip"].as_str(), attribute(&request, "proxy.address")), (Some("127.0.0.1"), None));
    }
    assert_eq!(server.metric(&format!("{HEADERS}{{outcome=\"ok\"}}")).await, 2.0);
    assert_eq!(server.metric(&format!("{HEADERS}{{outcome=\"local\"}}")).await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_header_nobody_is_served() {
    let server =
        server("trusted_proxies = '127.0.0.1'\nproxy_protocol = 'v2'\n[limits]\nhandshake_timeout = '2s'").await;
    let head = Connect::new(server.address(), "/").head();
    for (bytes, outcome) in [
        (head.clone().into_bytes(), "missing"),
        ([&b"PROXY TCP4 203.0.113.9 198.51.100.2 4711 443\r\n"[..], head.as_bytes()].concat(), "malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(), "malformed"),
        (b"\r\n\r\n\0".to_vec(), "timeout"),
        (Vec::new(), "timeout"),
    ] {
        let metric = format!("{HEADERS}{{outcome=\"{outcome}\"}}");
        let before = server.metric(&metric).await;
        let mut wire = Wire::connect(server.address()).await;
        wire.write(&bytes).await;
        wire.ends().await;
        assert_eq!(server.metric(&metric).await, before + 1.0, "{outcome}");
    }
    assert_eq!(server.metric("socklet_handshakes_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_a_trusted_proxy_may_connect() {
    let process =
        Process::start(&config("bind = '127.0.0.1:0'\ntrusted_proxies = '10.0.0.0/8'\nproxy_protocol = 'any'")).await;
    for _ in 0..20 {
        Wire::connect(process.address()).await.ends().await;
    }
    process.until_metric(&format!("{HEADERS}{{outcome=\"untrusted\"}}"), 20.0).await;
    let log = process.until_log("only trusted proxies may connect here").await;
    let lines = log.lines().filter(|line| line.contains("only trusted proxies may connect here")).count();
    assert!((1..20).contains(&lines), "some are told, and not all: {log}");
    assert_eq!(process.metric("socklet_sockets").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_one_client_are_those_of_whom_the_header_names() {
    let listener = "trusted_proxies = '127.0.0.1'\nproxy_protocol = 'any'\n[limits]\nmax_connections_per_ip = 1";
    let server = server(listener).await;
    let mut kept = Vec::new();
    for (client, status) in [([203, 0, 113, 1], 101), ([203, 0, 113, 1], 429), ([203, 0, 113, 2], 101)] {
        let mut wire = Wire::connect(server.address()).await;
        let head = Connect::new(server.address(), "/").head();
        wire.write(&[&binary(client, 1), head.as_bytes()].concat()).await;
        assert_eq!(wire.answer().await.status, status, "{client:?}");
        kept.push(wire);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_has_its_own_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = format!("bind = 'unix:{}'\ntrusted_proxies = 'unix'\nproxy_protocol = 'any'", path.display());
    let server = Server::start(&config(&listener)).await;
    let request = introduced(server.address(), b"PROXY TCP4 203.0.113.9 198.51.100.2 4711 443\r\n").await;
    assert_eq!(
        (request["client_ip"].as_str(), attribute(&request, "proxy.address")),
        (Some("203.0.113.9"), Some("unix"))
    );
    // A client of the proxy that came over a UNIX socket has no address.
    let names = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
    let request = introduced(server.address(), &names).await;
    assert_eq!((request["client_ip"].as_str(), attribute(&request, "proxy.address")), (Some(""), Some("unix")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_before_tls() {
    let authority = Authority::new("proxy");
    let folder = tls::folder(&authority);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let listener = format!(
        "trusted_proxies = '127.0.0.1'\nproxy_protocol = 'v2'\ntls = {{ cert = '{}', key = '{}' }}",
        file("a.pem"),
        file("a.key")
    );
    let server = server(&listener).await;
    let header = binary([203, 0, 113, 9], 5);
    let to = Connect::new(server.address(), "/").first(&header).tls(&Trust::new(&authority), "localhost");
    let (request, attributes) = request(&mut to.open().await).await;
    assert_eq!((request["client_ip"].as_str(), request["secure"].as_bool()), (Some("203.0.113.9"), Some(true)));
    assert_eq!(attributes["tls.version"], "1.3");
}
