//! Clients that nobody here wrote, over TLS: Python's `websockets`, node's `ws`, and Autobahn behind a bridge.

use super::super::clients::{ALONE, CONTEXT, ROUTES, autobahn, autobahn_server, installed, passes};
use super::folder;
use socklet_server::Bind;
use socklet_tests::{Authority, Server, Trust, connect, within};
use std::path::PathBuf;
use tokio::{io::copy_bidirectional, net::TcpListener};

/// `[[listener]]` with the certificate of a folder.
fn listener(folder: &std::path::Path) -> String {
    let folder = folder.display();
    format!("[[listener]]\nbind = '127.0.0.1:0'\ntls = {{ cert = '{folder}/a.pem', key = '{folder}/a.key' }}\n")
}

async fn scenarios(program: PathBuf, script: &str, version: &str) {
    let folder = folder(&Authority::new("clients"));
    let server = Server::start(&format!("{}{ROUTES}", listener(folder.path()))).await;
    // Where OpenSSL looks, and where node looks.
    let ca = folder.path().join("ca.pem");
    let trust = [("SSL_CERT_FILE", &*ca), ("NODE_EXTRA_CA_CERTS", &*ca)];
    for (scenario, path, options) in [
        ("text-echo", "/", &[][..]),
        ("binary-echo", "/", &[]),
        ("fragments", "/", &[]),
        ("ping-pong", "/", &[]),
        ("close", "/", &[]),
        ("oversize", "/", &[]),
        ("auth-refused", "/private", &["--user", "ada", "--password", "lovelace"]),
        ("compressed", "/compressed", &["--agreed", ALONE]),
        ("compressed", "/context", &["--deflate", "client_max_window_bits", "--agreed", CONTEXT]),
        ("many", "/", &["--connections", "50"]),
    ] {
        let url = server.url(path).replace("ws://", "wss://");
        let arguments = [&[url.as_str(), scenario], options].concat();
        let out = within(scenario, passes(program.clone(), script, &arguments, &trust)).await;
        assert!(out.contains("\"ok\": true") || out.contains("\"ok\":true"), "{scenario}: {out}");
    }
    server.until_metric("socklet_connections", 0.0).await;
    assert!(server.metric("socklet_tls_handshakes_total").await > 50.0, "{version}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets() {
    scenarios(installed(".tools/python/bin/python"), "websockets_client.py", "1.3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ws() {
    installed("tests/clients/node_modules/ws");
    scenarios("node".into(), "ws_client.mjs", "1.3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autobahn_finds_nothing() {
    let authority = Authority::new("autobahn");
    let folder = folder(&authority);
    let server = autobahn_server(&listener(folder.path())).await;
    // The suite runs on a Python without TLS: somebody has to add it.
    let bridge = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = Bind::Tcp(bridge.local_addr().unwrap());
    let (trust, to) = (Trust::new(&authority), server.address().clone());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = bridge.accept().await {
            near.set_nodelay(true).unwrap();
            let (trust, to) = (trust.clone(), to.clone());
            tokio::spawn(async move {
                let mut far = trust.secure(connect(&to).await, "localhost").await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    autobahn(&server, &format!("ws://{plain}/"), "autobahn-tls", "autobahn-expected-tls.json", 1200).await;
}
