//! Plain files beside the sockets.

use super::harness::{Head, Host, Setup, echo};
use std::fs;
use tempfile::TempDir;

/// `/` serves a page, `/page/{*file}` the same folder; beside it there is a file that nobody may get.
fn host() -> (Host, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("public");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    for (name, content) in
        [("index.html", "<p>home"), ("a b.txt", "a b"), ("ä%.txt", "odd"), ("sub/index.html", "<p>sub")]
    {
        fs::write(root.join(name), content).unwrap();
    }
    let host = Setup::new(echo)
        .config(|config| config.path = crate::PathPattern::parse("/ws").unwrap())
        .route("home", "/", None)
        .config(|config| config.files = Some(root.clone()))
        .route("page", "/page/{*file}", None)
        .config(|config| config.files = Some(root.clone()))
        .route("all", "/{*file}", None)
        .config(|config| {
            config.files = Some(root.clone());
            config.hosts = vec!["all.test".to_owned()];
        })
        .start();
    (host, folder)
}

async fn get(host: &Host, target: &str, name: &str) -> Head {
    host.client().ask(&format!("GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n")).await
}

#[tokio::test(start_paused = true)]
async fn files_are_served_with_their_type() {
    let (host, _folder) = host();
    for (target, name, body, kind) in [
        ("/", "a", "<p>home", "text/html"),
        ("/page/", "a", "<p>home", "text/html"),
        ("/page/a%20b.txt", "a", "a b", "text/plain"),
        ("/page/%C3%A4%25.txt", "a", "odd", "text/plain"),
        ("/page/sub/", "a", "<p>sub", "text/html"),
        ("/page/sub/index.html?x=1", "a", "<p>sub", "text/html"),
        ("/a%20b.txt", "all.test", "a b", "text/plain"),
        ("/sub/", "all.test", "<p>sub", "text/html"),
    ] {
        let head = get(&host, target, name).await;
        assert_eq!((head.status, &*head.body, head.field("content-type")), (200, body, Some(kind)), "{target}");
        assert_eq!(head.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.field("cache-control"), Some("no-cache"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there() {
    let (host, _folder) = host();
    for target in ["/page/none", "/page/sub/none", "/page/index.html/", "/page//", "/page//x", "/none"] {
        let head = get(&host, target, "a").await;
        assert_eq!(head.status, 404, "{target}: {head:?}");
        assert_eq!(head.body, "nothing here\n", "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_outside_the_folder_is_served() {
    let (host, _folder) = host();
    assert_eq!(get(&host, "/page/%00", "a").await.status, 400);
    for (target, name) in [
        ("/page/../secret.txt", "a"),
        ("/page/%2e%2e/secret.txt", "a"),
        ("/page/..%2fsecret.txt", "a"),
        ("/page/sub/../../secret.txt", "a"),
        ("/page/%2e%2e%2fsecret.txt", "a"),
        ("/page/%252e%252e/secret.txt", "a"),
        ("/page/..%5csecret.txt", "a"),
        ("/../secret.txt", "all.test"),
        ("/%2e%2e/secret.txt", "all.test"),
        ("/sub/..%2f../secret.txt", "all.test"),
    ] {
        let head = get(&host, target, name).await;
        assert!(matches!(head.status, 400 | 404) && !head.body.contains("secret"), "{target}: {head:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_without_its_slash_leads_to_the_one_with() {
    let (host, _folder) = host();
    for (target, name, location) in [("/page/sub", "a", "/page/sub/"), ("/sub", "all.test", "/sub/")] {
        let head = get(&host, target, name).await;
        assert_eq!((head.status, head.field("location")), (307, Some(location)), "{target}");
    }
    // Never to another server.
    for target in ["//sub", "///sub"] {
        let head = get(&host, target, "all.test").await;
        assert_eq!((head.status, head.field("location")), (404, None), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_get_and_head() {
    let (host, _folder) = host();
    let mut client = host.client();
    client.write(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut response = Vec::new();
    while !String::from_utf8_lossy(&response).contains("<p>home") {
        assert!(tokio::io::AsyncReadExt::read_buf(&mut client.stream, &mut response).await.unwrap() > 0);
    }
    let response = String::from_utf8(response).unwrap();
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2, "{response}");
    assert_eq!(response.matches("content-length: 7").count(), 2, "{response}");
    assert_eq!(response.matches("<p>home").count(), 1, "{response}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let head = host.client().ask(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(head.status, 405, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_seen_and_unchanged_files_are_not_sent_again() {
    let (host, folder) = host();
    let head = get(&host, "/", "a").await;
    let modified = head.field("last-modified").unwrap();
    let again = format!("GET / HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: {modified}\r\n\r\n");
    assert_eq!(host.client().ask(&again).await.status, 304);
    fs::write(folder.path().join("public/index.html"), "<p>new").unwrap();
    assert_eq!(get(&host, "/", "a").await.body, "<p>new");
}
