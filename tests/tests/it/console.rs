//! The console: what it is served with, and what an operator does with it in a real browser.

use crate::clients::{installed, passes};
use socklet_tests::{Process, guest, marked, replace, target};
use std::fs;

const TOKEN: &str = "0123456789-a-secret-of-operators";

async fn server() -> Process {
    let folder = tempfile::tempdir().unwrap();
    replace(folder.path(), "token", TOKEN);
    fs::write(folder.path().join("other.wasm"), marked(&guest("versioned"), 1)).unwrap();
    let config = r#"
        [[route]]
        name = "main"
        default = true
        behavior = "main"
        [plugin.main]
        source = "guest:versioned"
        settings = { version = "one" }
        [admin]
        bind = "127.0.0.1:0"
        token_file = "token"
    "#;
    Process::start_in(folder, config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_for_everybody_and_its_data_is_not() {
    let server = server().await;
    let page = server.ask_admin("GET /", "", b"").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let script = server.ask_admin("GET /main.js", "", b"").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    for (line, status) in
        [("POST /", 405), ("GET /console", 401), ("GET /v1/metrics", 401), ("GET /../Cargo.toml", 401)]
    {
        assert_eq!(server.ask_admin(line, "", b"").await.status, status, "{line}");
    }
    let head = format!("authorization: Bearer {TOKEN}\r\n");
    let metrics = server.ask_admin("GET /v1/metrics", &head, b"").await;
    assert!(metrics.status == 200 && metrics.body.contains("socklet_connections "), "{}", metrics.body);
    // Clients' listeners have nothing of it.
    assert_ne!(server.get("/main.js").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_works_with_it() {
    installed("tests/clients/node_modules/playwright-core");
    let server = server().await;
    let mut first = server.open("/").await;
    let mut second = server.open("/").await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.ask("a").await, "one 1");
    }
    let (shots, other) = (target().join("console"), server.folder().join("other.wasm"));
    let page = format!("{}/", server.admin());
    let arguments = [
        &*page,
        "--out",
        shots.to_str().unwrap(),
        "--token",
        TOKEN,
        "--component",
        other.to_str().unwrap(),
        "--timeout",
        "100",
    ];
    // A client that answers a close frame.
    let closed = tokio::spawn(async move { second.expect_close(1008).await });
    let drained = tokio::spawn(async move {
        first.expect_text("from the console <b>").await;
        first.expect_text("closed one 1").await;
        first.expect_close(1013).await
    });
    passes("node".into(), "console_page.mjs", &arguments, &[]).await;
    assert_eq!(closed.await.unwrap(), "enough");
    assert_eq!(drained.await.unwrap(), "server restarting");
    server.until_metric("socklet_connections_closed_total{code=\"1008\"}", 1.0).await;
}
