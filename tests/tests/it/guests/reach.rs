//! A guest that reaches out by its grants, over real sockets and through the configuration.

use socklet_tests::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn reach() {
    let folder = tempfile::tempdir().unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = web.local_addr().unwrap().port();
    let answers = tokio::spawn(async move {
        let (mut stream, _) = web.accept().await.unwrap();
        let mut head = [0; 1024];
        let read = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let server = Server::start(&format!(
        r#"
        [grants]
        keyvalue_dir = "{}"
        [[route]]
        path = "/acme"
        tenant = "acme"
        behavior = "main"
        [[route]]
        path = "/other"
        tenant = "other"
        behavior = "main"
        [tenant.other]
        max_keyvalue = "1KiB"
        [plugin.main]
        source = "guest:reach"
        [plugin.main.grants]
        http = ["http://127.0.0.1:{port}"]
        keyvalue = ["own"]
        "#,
        folder.path().display()
    ))
    .await;
    let (mut acme, mut other) = (server.open("/acme").await, server.open("/other").await);
    assert_eq!(acme.ask(&format!("get http://127.0.0.1:{port}/x?y")).await, "200 hello");
    let head = answers.await.unwrap();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    assert_eq!(acme.ask("get http://localhost/").await, "Denied");
    assert_eq!(acme.ask("kv own fill a 2000").await, "set");
    assert_eq!(other.ask("kv own get a").await, "none");
    assert_eq!(other.ask("kv own fill a 2000").await, "other: the tenant's stores are full: they may have 1024 bytes");
    assert_eq!(acme.ask("kv own get a").await, "2000 bytes");
    assert_eq!(server.metric("socklet_plugin_http_requests_total{outcome=\"ok\"}").await, 1.0);
    assert!(folder.path().join("acme.redb").exists());
}
