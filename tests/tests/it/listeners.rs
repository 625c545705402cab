//! Listeners: IPv4, IPv6 and UNIX sockets, several at once, by name.

use serde_json::{Value, json};
use socklet_server::Bind;
use socklet_tests::{Client, Connect, Process, Server, eventually};
use std::{collections::BTreeMap, os::unix::fs::FileTypeExt};

/// Every kind of listener, and a route that only one of them serves.
fn config(socket: &str) -> String {
    format!(
        r#"
        [[listener]]
        name = "four"
        bind = "127.0.0.1:0"
        [[listener]]
        name = "six"
        bind = "[::1]:0"
        [[listener]]
        name = "local"
        bind = "unix:{socket}"
        [[route]]
        path = "/"
        behavior = "main"
        [[route]]
        path = "/inside"
        listener = ["local", "six"]
        behavior = "main"
        [plugin.main]
        source = "guest:reporter"
        "#
    )
}

/// The request as the guest got it.
async fn request(client: &mut Client) -> (Value, BTreeMap<String, String>) {
    let request = client.command("request").await;
    let attributes: Vec<(String, String)> = serde_json::from_value(request["attributes"].clone()).unwrap();
    (request, attributes.into_iter().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_serves_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socklet.sock");
    let server = Server::start(&config(socket.to_str().unwrap())).await;
    for (name, ip) in [("four", "127.0.0.1"), ("six", "::1"), ("local", "")] {
        let bind = server.listener(name);
        let mut client = Connect::new(bind, "/?x=1").open().await;
        let (request, attributes) = request(&mut client).await;
        assert_eq!(request["listener"], name);
        assert_eq!(request["client_ip"], ip);
        assert_eq!(request["client_port"].as_u64().unwrap() > 0, name != "local");
        assert_eq!(request["secure"], false);
        assert_eq!((request["method"].as_str(), request["query"].as_str()), (Some("GET"), Some("x=1")));
        assert_eq!(attributes["tenant"], "default");
        assert_eq!(attributes["route"], "root");
        assert_eq!(attributes["http.version"], "1.1");
        match bind {
            Bind::Tcp(address) => {
                assert_eq!(request["authority"], json!(address.to_string()));
                assert_eq!(attributes["local.address"], address.to_string());
            }
            Bind::Systemd(name) => panic!("{name} is no address"),
            Bind::Unix(path) => {
                assert_eq!(path, &socket);
                assert!(std::fs::metadata(path).unwrap().file_type().is_socket());
            }
        }
        assert_eq!(client.close(1000, "").await.0, 1000);
    }
    eventually("everybody is gone", async || server.connections() == 0).await;
    assert_eq!(server.drain().await.forced, 0);
    eventually("the socket's file is gone", async || !socket.exists()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_served_by_its_listeners_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&config(folder.path().join("s").to_str().unwrap())).await;
    for (name, status) in [("four", 404), ("six", 101), ("local", 101)] {
        let answer = Connect::new(server.listener(name), "/inside").answer().await;
        assert_eq!(answer.status, status, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_all_listeners_share_their_route() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&config(folder.path().join("s").to_str().unwrap())).await;
    let mut clients = Vec::new();
    for name in ["four", "six", "local"] {
        clients.push(Connect::new(server.listener(name), "/").open().await);
    }
    // A client may have its 101 a moment before the guests know of it.
    server.until_metric("socklet_plugin_calls_total{hook=\"on-open\"}", 3.0).await;
    assert_eq!(clients[0].command("count").await, 3);
    assert_eq!(clients[0].command("send-all-but-me hello").await, 2);
    clients[1].expect_text("hello").await;
    clients[2].expect_text("hello").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_listens_on_a_unix_socket_of_its_folder() {
    let server = Process::start(
        "[[listener]]\nbind = 'unix:socklet.sock'\n[[route]]\npath = '/'\nbehavior = 'a'\n[plugin.a]\nsource = 'stock:echo'\n",
    )
    .await;
    let socket = server.folder().join("socklet.sock");
    let mut client = Connect::new(&Bind::Unix(socket), "/").open().await;
    assert_eq!(client.ask("hello").await, "hello");
    drop(client);
    // The folder goes with the process: what is in it was looked at before.
    assert_eq!(server.terminate().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!("[[listener]]\nname = \"front\"\nbind = \"{address}\"\n");
    let error = Server::build(&config).await.unwrap_err();
    assert!(error.starts_with(&format!("failed to bind listener front to {address}: ")), "{error}");
}
