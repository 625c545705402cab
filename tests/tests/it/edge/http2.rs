//! WebSockets over HTTP/2 (RFC 8441): node's `http2` with the frames of `ws`, curl, and bytes that no client sends.

use crate::{
    clients::{installed, passes},
    tls,
};
use serde_json::{Value, json};
use socklet_tests::{Authority, Server, Wire, eventually, finished, target, within};
use std::path::Path;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn config(listener: &str) -> String {
    format!(
        "[[listener]]\nbind = '127.0.0.1:0'\nhttp2 = true\n{listener}\n[[route]]\npath = '/'\nbehavior = 'echo'\n\
         subprotocols = ['chat.v2', 'chat.v1']\n[plugin.echo]\nsource = 'stock:echo'\n"
    )
}

fn secure(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    config(&format!("tls = {{ cert = '{}', key = '{}' }}", file("a.pem"), file("a.key")))
}

async fn by_node(origin: &str, count: &str, more: &[&str]) -> Value {
    installed("tests/clients/node_modules/ws");
    let arguments = [&[origin, "/", count], more].concat();
    let out = within("node", passes("node".into(), "http2_client.mjs", &arguments, &[])).await;
    serde_json::from_str(out.trim()).unwrap()
}

fn expected(connections: u64) -> Value {
    json!({ "connections": connections, "statuses": [426, 426, 400, 404], "subprotocol": "chat.v2", "closed": [4001] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_on_one_socket_by_alpn() {
    let authority = Authority::new("http2");
    let folder = tls::folder(&authority);
    let server = Server::start(&secure(folder.path())).await;
    let ca = folder.path().join("ca.pem");
    let port = server.address().to_string();
    let port = port.rsplit_once(':').unwrap().1;
    let out = by_node(&format!("https://localhost:{port}"), "20", &[ca.to_str().unwrap()]).await;
    assert_eq!(out, expected(20));
    assert_eq!(server.metric("socklet_connections_opened_total").await, 20.0);
    server.until_metric("socklet_connections", 0.0).await;
    eventually("the socket is gone", async || server.metric("socklet_sockets").await == 0.0).await;
    assert_eq!(server.drain().await.forced, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_by_clients_that_know() {
    let server = Server::start(&config("")).await;
    let origin = format!("http://{}", server.address());
    assert_eq!(by_node(&origin, "3", &[]).await, expected(3));
    // HTTP/1.1 is spoken as before.
    assert_eq!(server.open("/").await.ask("hello").await, "hello");
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-s", "--http2-prior-knowledge", "-o", "-", "-w", " %{http_version} %{http_code}", &origin]);
    let (code, out, _) = finished(curl).await;
    assert_eq!((code, &*out), (0, "this path serves WebSocket connections\n 2 426"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_has_loaded_its_page_over_it() {
    installed("tests/clients/node_modules/playwright-core");
    let folder = tls::folder(&Authority::new("http2"));
    let site = folder.path().join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "<!doctype html><title>sockets</title>").unwrap();
    let page = format!(
        "[[route]]\npath = '/page/{{*file}}'\nstatic = '{}'\n[[route]]\npath = '/told'\nbehavior = 'told'\n\
         [plugin.told]\nsource = 'guest:reporter'\n",
        site.display()
    );
    let server = Server::start(&(secure(folder.path()) + &page)).await;
    let port = server.address().to_string();
    let url = format!("https://localhost:{}/page/", port.rsplit_once(':').unwrap().1);
    let shots = target().join("http2-page");
    passes("node".into(), "http2_page.mjs", &[&url, "/told", "--out", shots.to_str().unwrap()], &[]).await;
    assert_eq!(server.metric("socklet_connections_opened_total").await, 5.0);
    server.until_metric("socklet_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_connections_and_not_sockets() {
    let server = Server::start(&config("[limits]\nmax_connections_per_ip = 3")).await;
    assert_eq!(by_node(&format!("http://{}", server.address()), "3", &[]).await, expected(3));
    let script = installed("tests/clients/http2_client.mjs");
    let mut node = tokio::process::Command::new("node");
    node.arg(script).args([&format!("http://{}", server.address()), "/", "4"]);
    let (code, _, log) = finished(node).await;
    assert_eq!(code, 1);
    assert!(log.contains("status 429"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_was_not_told_speaks_no_http2() {
    let authority = Authority::new("http1");
    let folder = tls::folder(&authority);
    let server = Server::start(&secure(folder.path()).replace("http2 = true", "http2 = false")).await;
    let mut curl = tokio::process::Command::new("curl");
    let url = format!("https://{}", server.address());
    curl.args(["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", &url]);
    assert_eq!(finished(curl).await.1, "1.1");
    let plain = Server::start(&config("").replace("http2 = true", "http2 = false")).await;
    let mut wire = Wire::connect(plain.address()).await;
    wire.write(PREFACE).await;
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_ask_nothing_end_in_time() {
    let server = Server::start(&config("[limits]\nhandshake_timeout = '1s'")).await;
    // Settings, and nothing behind them.
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for start in [&b""[..], b"PRI", &PREFACE[..20], PREFACE, &settings] {
        let mut wire = Wire::connect(server.address()).await;
        wire.write(start).await;
        wire.ends().await;
    }
    server.until_metric("socklet_sockets", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_ends_the_socket() {
    let server = Server::start(&config("")).await;
    let mut wire = Wire::connect(server.address()).await;
    wire.write(&[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await;
    // GET / with fields of the static table, each reset at once (CVE-2023-44487).
    let mut flood = Vec::new();
    for stream in (1_u32..20_001).step_by(2) {
        flood.extend([0, 0, 4, 1, 5]);
        flood.extend(stream.to_be_bytes());
        flood.extend([0x82, 0x84, 0x86, 0x81]);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(stream.to_be_bytes());
        flood.extend([0, 0, 0, 8]);
    }
    // It may hang up before it has taken all of them.
    let _ = wire.try_write(&flood).await;
    wire.ends().await;
    server.until_metric("socklet_sockets", 0.0).await;
    assert_eq!(server.open("/").await.ask("hello").await, "hello");
}
