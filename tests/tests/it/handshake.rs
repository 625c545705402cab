//! The opening handshake: RFC 6455, section 4.2, with the right answer to everything that is wrong.

use socklet_tests::{Answer, Frame, Server, Wire, eventually};

const ECHO: &str = "[[route]]\npath = '/'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n";
/// With the key of RFC 6455, section 1.3.
const RIGHT: [&str; 5] = [
    "host: a",
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// The right request, with these lines instead of its own of that name; a line without a value takes its own out.
fn head(first: &str, instead: &[&str]) -> String {
    let name = |line: &str| line.split(':').next().map(str::to_owned);
    let own = RIGHT.into_iter().filter(|line| instead.iter().all(|other| name(other) != name(line)));
    let lines: Vec<_> = own.chain(instead.iter().copied().filter(|line| !line.ends_with(':'))).collect();
    format!("{first} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

async fn ask(server: &Server, head: &str) -> Answer {
    Wire::connect(server.address()).await.request(head).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_rfc_is_accepted() {
    let server = Server::start(ECHO).await;
    let answer = ask(&server, &head("GET /", &[])).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(answer.header("upgrade"), "websocket");
    assert_eq!(answer.header("connection").to_lowercase(), "upgrade");
    assert_eq!(answer.header("sec-websocket-protocol"), "");
    assert_eq!(answer.header("sec-websocket-extensions"), "");
    for variant in [
        &["connection: keep-alive, Upgrade"][..],
        &["connection: UPGRADE"],
        &["upgrade: WebSocket"],
        &["upgrade: h2c, websocket"],
        &["sec-websocket-extensions: permessage-deflate; client_max_window_bits"],
        &["content-length: 0"],
    ] {
        let answer = ask(&server, &head("GET /", variant)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, ""), "{variant:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mistake_has_its_status() {
    let server = Server::start(ECHO).await;
    for (first, instead, status, body) in [
        ("GET /", &["sec-websocket-key:"][..], 400, "the Sec-WebSocket-Key field is missing\n"),
        ("GET /", &["sec-websocket-key: c2hvcnQ="], 400, "the Sec-WebSocket-Key field is not 16 bytes in base64\n"),
        ("GET /", &["sec-websocket-key: !!!!IHNhbXBsZSBub25jZQ=="], 400, ""),
        ("GET /", &["connection: keep-alive"], 400, "the Connection field does not say upgrade\n"),
        ("GET /", &["host:"], 400, "the Host field is missing\n"),
        ("GET /", &["host: a", "host: b"], 400, "the Host field is there more than once\n"),
        ("GET /", &["host: a b"], 400, ""),
        ("GET /", &["sec-websocket-protocol: a, a"], 400, "a subprotocol is offered twice\n"),
        ("GET /", &["sec-websocket-protocol: a b"], 400, "a subprotocol is not a token\n"),
        ("GET /%zz", &[], 400, "the path is not properly encoded\n"),
        ("POST /", &[], 405, "use GET\n"),
        ("POST /", &["upgrade:", "connection: close"], 405, "use GET\n"),
        ("GET /", &["sec-websocket-version: 8"], 426, "this server speaks WebSocket version 13\n"),
        ("GET /", &["sec-websocket-version:"], 426, "this server speaks WebSocket version 13\n"),
        ("GET /", &["upgrade:", "connection: close"], 426, "this path serves WebSocket connections\n"),
        ("GET /nowhere", &[], 404, "nothing here\n"),
    ] {
        let answer = ask(&server, &head(first, instead)).await;
        assert_eq!(answer.status, status, "{first} {instead:?}: {answer:?}");
        assert!(body.is_empty() || answer.body == body, "{first} {instead:?}: {answer:?}");
        let version = if status == 426 { "13" } else { "" };
        assert_eq!(answer.header("sec-websocket-version"), version, "{first} {instead:?}");
        assert_eq!(answer.header("allow"), if status == 405 { "GET" } else { "" });
    }
    let old = ask(&server, &head("GET /", &[]).replace("HTTP/1.1", "HTTP/1.0")).await;
    assert_eq!((old.status, &*old.body), (400, "a WebSocket handshake needs HTTP/1.1\n"));
    assert_eq!(server.metric("socklet_connections_opened_total").await, 0.0);
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"bad-version\"}").await, 2.0);
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"method-not-allowed\"}").await, 1.0);
    assert_eq!(server.open("/").await.ask("after all").await, "after all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_bounded_in_size_number_and_time() {
    let limits = "[limits]\nmax_header_bytes = '8KiB'\nmax_headers = 20\nhandshake_timeout = '1s'\n";
    let server = Server::start(&format!("{ECHO}{limits}")).await;
    let long = format!("x-long: {}", "x".repeat(9000));
    assert_eq!(ask(&server, &head("GET /", &[&long])).await.status, 431);
    let many: Vec<_> = (0..20).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(ask(&server, &head("GET /", &many)).await.status, 431);
    // One is silent, one does not come to an end, one asks for nothing more.
    let (mut silent, mut slow, mut idle) = (
        Wire::connect(server.address()).await,
        Wire::connect(server.address()).await,
        Wire::connect(server.address()).await,
    );
    slow.write(b"GET / HTTP/1.1\r\nhost: a\r\n").await;
    assert_eq!(idle.request("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await.status, 404);
    for wire in [&mut silent, &mut slow, &mut idle] {
        wire.ends().await;
    }
    eventually("every socket is gone", async || server.metric("socklet_sockets").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_behind_the_request_are_not_lost() {
    let server = Server::start(ECHO).await;
    let mut wire = Wire::connect(server.address()).await;
    let mut bytes = head("GET /", &[]).into_bytes();
    for number in 0..10 {
        bytes.extend(Frame { first: 0x81, payload: format!("early {number}").into_bytes() }.masked());
    }
    wire.write(&bytes).await;
    assert_eq!(wire.answer().await.status, 101);
    for number in 0..10 {
        assert_eq!(wire.next().await.unwrap(), Frame { first: 0x81, payload: format!("early {number}").into_bytes() });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subprotocols_are_chosen_from_what_is_offered() {
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'm'\nsubprotocols = ['chat.v2', 'chat.v1']\n\
         [[route]]\npath = '/none'\nbehavior = 'm'\n[plugin.m]\nsource = 'guest:reporter'\n",
    )
    .await;
    for (path, offered, chosen) in [
        ("/", "chat.v1", "chat.v1"),
        ("/", "chat.v1, chat.v2", "chat.v2"),
        ("/", "other", ""),
        ("/none", "chat.v1", ""),
        ("/none?subprotocol=first", "one, two", "one"),
        ("/?subprotocol=first", "chat.v1, chat.v2", "chat.v1"),
    ] {
        let answer = server.at(path).subprotocols(offered).answer().await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, chosen), "{path} {offered}");
    }
    let mut client = server.at("/").subprotocols("chat.v1, chat.v2").open().await;
    assert_eq!(client.header("sec-websocket-protocol"), "chat.v2");
    assert!(client.command("me").await.is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_kept_out() {
    let server = Server::start(
        "[[route]]\npath = '/same'\nbehavior = 'm'\n\
         [[route]]\npath = '/listed'\nbehavior = 'm'\nallowed_origins = ['https://app.example', 'https://*.wild.example']\n\
         [[route]]\npath = '/all'\nbehavior = 'm'\nallowed_origins = '*'\n[plugin.m]\nsource = 'stock:echo'\n",
    )
    .await;
    let own = format!("http://{}", server.address());
    for (path, origin, status) in [
        ("/same", &*own, 101),
        ("/same", "https://evil.example", 403),
        ("/same", "null", 403),
        ("/same", "http://127.0.0.1:1", 403),
        ("/listed", "https://app.example", 101),
        ("/listed", "https://a.wild.example", 101),
        ("/listed", "https://wild.example.evil.example", 403),
        ("/listed", "http://app.example", 403),
        ("/listed", &*own, 403),
        ("/all", "https://evil.example", 101),
        ("/all", "null", 101),
    ] {
        let answer = server.at(path).origin(origin).answer().await;
        assert_eq!(answer.status, status, "{path} {origin}");
    }
    for path in ["/same", "/listed", "/all"] {
        assert_eq!(server.at(path).answer().await.status, 101, "no page, no origin: {path}");
        let two = server.at(path).origin("https://app.example").origin("https://evil.example").answer().await;
        assert_eq!(two.status, 403, "two origins: {path}");
    }
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"origin-not-allowed\"}").await, 9.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_may_answer_for_itself() {
    let server = Server::plugin("guest:reporter", "").await;
    let observer = server.observe("/").await;
    let answer = server.at("/?reject").answer().await;
    assert_eq!((answer.status, answer.header("x-reporter"), &*answer.body), (418, "rejected", "a teapot\n"));
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"answered\"}").await, 1.0);
    let mut client = server.open("/?header&early&welcome").await;
    assert_eq!(client.header("x-reporter"), "accepted");
    client.expect_text("welcome").await;
    assert_eq!(client.command("early").await["error"], "not-open");
    client.close(1000, "").await;
    observer.settled(1).await;
}
