//! Routes: which one serves a request, and what it captures.

use serde_json::json;
use socklet_tests::{Connect, Server};

const ROUTES: &str = r#"
    [plugin.main]
    source = "guest:reporter"

    [[route]]
    name = "exact"
    path = "/rooms/lobby"
    behavior = "main"
    [[route]]
    name = "captured"
    path = "/rooms/{room}"
    behavior = "main"
    [[route]]
    name = "two"
    path = "/rooms/{room}/seats/{seat}"
    behavior = "main"
    [[route]]
    name = "below"
    path = "/files/{*rest}"
    behavior = "main"
    [[route]]
    name = "numbers"
    path_regex = "/n/(?<number>[0-9]+)"
    behavior = "main"
    [[route]]
    name = "versioned"
    path = "/rooms/lobby"
    headers = { x-version = "2" }
    behavior = "main"
    [[route]]
    name = "hosted"
    host = "chat.example"
    path = "/rooms/lobby"
    behavior = "main"
    [[route]]
    name = "wild"
    host = "*.example"
    path = "/rooms/lobby"
    behavior = "main"
    [[route]]
    name = "acmes"
    tenant = "acme"
    path = "/acme"
    behavior = "main"
    [[route]]
    name = "rest"
    default = true
    behavior = "main"
"#;

/// The route that serves the request, and its captures.
async fn served(connect: Connect) -> (String, serde_json::Value) {
    let mut client = connect.open().await;
    let mut request = client.command("request").await;
    let attributes: Vec<(String, String)> = serde_json::from_value(request["attributes"].take()).unwrap();
    let route = attributes.into_iter().find(|(name, _)| name == "route").unwrap().1;
    (route, request["captures"].take())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_exact_route_serves() {
    let server = Server::start(ROUTES).await;
    for (path, route, captures) in [
        ("/rooms/lobby", "exact", json!([])),
        ("/rooms/lobby?room=x", "exact", json!([])),
        ("/rooms/%6Cobby", "exact", json!([])),
        ("/rooms/blue", "captured", json!([["room", "blue"]])),
        ("/rooms/b%20lue", "captured", json!([["room", "b lue"]])),
        ("/rooms/b%C3%BCro", "captured", json!([["room", "büro"]])),
        ("/rooms/blue/seats/7", "two", json!([["room", "blue"], ["seat", "7"]])),
        ("/files/a/b/c.txt", "below", json!([["rest", "a/b/c.txt"]])),
        ("/n/123", "numbers", json!([["number", "123"]])),
        ("/n/12x", "rest", json!([])),
        ("/rooms", "rest", json!([])),
        ("/rooms/blue/seats", "rest", json!([])),
        ("/ROOMS/lobby", "rest", json!([])),
        ("/acme", "acmes", json!([])),
        ("/", "rest", json!([])),
    ] {
        assert_eq!(served(server.at(path)).await, (route.to_owned(), captures), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_header_fields_decide_before_paths_do() {
    let server = Server::start(ROUTES).await;
    let lobby = || server.at("/rooms/lobby");
    for (request, route) in [
        (lobby().header("x-version", "2"), "versioned"),
        (lobby().header("x-version", "3"), "exact"),
        (lobby().host("chat.example"), "hosted"),
        (lobby().host("CHAT.example:8080"), "hosted"),
        (lobby().host("other.example"), "wild"),
        (lobby().host("example"), "exact"),
        (server.at("/rooms/blue").host("chat.example"), "captured"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(served(request).await.0, route, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_route_there_is_nothing() {
    let server = Server::start("[[route]]\npath = '/a'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n").await;
    for path in ["/", "/a/", "/a/b", "/b", "/%61/"] {
        assert_eq!(server.at(path).answer().await.status, 404, "{path}");
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    assert_eq!(server.at("/%61").answer().await.status, 101);
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"not-found\"}").await, 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_files_are_served_beside_sockets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<p>the page").unwrap();
    std::fs::write(folder.path().join("app.js"), "1").unwrap();
    let page = folder.path().display();
    let server = Server::start(&format!(
        "[[route]]\npath = '/{{*file}}'\nstatic = '{page}'\n[[route]]\npath = '/echo'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n"
    ))
    .await;
    let index = server.get("/").await;
    assert_eq!((index.status, &*index.body, index.header("content-type")), (200, "<p>the page", "text/html"));
    assert_eq!(index.header("x-content-type-options"), "nosniff");
    assert_eq!(server.get("/app.js").await.body, "1");
    for path in ["/missing", "/../Cargo.toml", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd"] {
        let answer = server.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    assert_eq!(server.open("/echo").await.ask("beside").await, "beside");
    assert_eq!(server.at("/").answer().await.status, 404, "files are no WebSockets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_that_cannot_be_told_apart_are_a_mistake() {
    let route = "[[route]]\npath = '/a/{x}'\nbehavior = 'm'\n";
    let other = "[[route]]\nname = 'other'\npath = '/a/{y}'\nbehavior = 'm'\n";
    let error = Server::build(&format!("{route}{other}[plugin.m]\nsource = 'stock:echo'\n")).await.unwrap_err();
    assert!(error.contains("/a/{y}") || error.contains("other"), "{error}");
}
