//! The end of a connection: one `on-close` for every `on-open`, and every field of it exact.

use socklet_tests::{Obituary, Observer, Process, Server, Wire};

struct Scene {
    server: Server,
    witness: Observer,
}

impl Scene {
    async fn new(more: &str) -> Self {
        let server = Server::plugin("guest:reporter", more).await;
        let witness = server.observe("/").await;
        Self { server, witness }
    }

    /// A connection without a library, and its id.
    async fn wire(&self, query: &str) -> (Wire, u64) {
        let wire = self.server.at(query).wire().await;
        (wire, self.witness.birth().await)
    }
}

/// Code, reason, cause, cleanliness, messages in both directions.
fn told(end: &Obituary) -> (u16, &str, &str, bool, u64, u64) {
    (end.code, &end.reason, &end.cause, end.clean, end.messages_received, end.messages_sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_client() {
    let scene = Scene::new("").await;
    let mut client = scene.server.open("/?attach=luggage").await;
    let id = scene.witness.birth().await;
    client.command("me").await;
    client.send(vec![1, 2]).await;
    client.expect_binary(&[1, 2]).await;
    assert_eq!(client.close(3999, "zażółć").await, (3999, "zażółć".to_owned()));
    let end = scene.witness.obituary(id).await;
    assert_eq!(told(&end), (3999, "zażółć", "client", true, 2, 2));
    assert_eq!((end.attachment.as_str(), end.principal.clone(), end.fresh), ("luggage", None, false));
    assert!(end.duration_ms < 60_000, "{end:?}");

    let (mut wire, id) = scene.wire("/").await;
    wire.frame(0x88, b"").await;
    let answer = wire.next().await.unwrap();
    assert_eq!((answer.first, answer.payload.len()), (0x88, 0), "an empty close is answered by an empty one");
    assert_eq!(wire.next().await, None, "the server hangs up first");
    assert_eq!(told(&scene.witness.obituary(id).await), (1005, "", "client", true, 0, 0));

    let (wire, id) = scene.wire("/").await;
    drop(wire);
    assert_eq!(told(&scene.witness.obituary(id).await), (1006, "", "disconnected", false, 0, 0));
    scene.witness.settled(3).await;
    let closed = |labels: &str| format!("socklet_connections_closed_total{{{labels}}}");
    let metrics = scene.server.metrics().await;
    assert_eq!(metrics.get(&closed("code=\"3xxx\",cause=\"client\"")), 1.0);
    assert_eq!(metrics.get(&closed("code=\"1005\",cause=\"client\"")), 1.0);
    assert_eq!(metrics.get(&closed("code=\"1006\",cause=\"disconnected\"")), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_plugin() {
    let scene = Scene::new("").await;
    for (query, command, code, reason, received, sent) in [
        ("/", "fail 4002 no more", 4002, "no more", 1, 0),
        ("/", "close-me 1000 done", 1000, "done", 1, 0),
        ("/?deny-open", "", 4000, "denied at open", 0, 0),
    ] {
        let (mut wire, id) = scene.wire(query).await;
        if !command.is_empty() {
            wire.frame(0x81, command.as_bytes()).await;
        }
        assert_eq!(wire.expect_close(code).await, reason);
        wire.frame(0x88, &code.to_be_bytes()).await;
        assert_eq!(wire.next().await, None);
        assert_eq!(
            told(&scene.witness.obituary(id).await),
            (code, reason, "plugin", true, received, sent),
            "{command}"
        );
    }
    // Another connection of the route closes it, by its id.
    let mut closer = scene.server.open("/").await;
    scene.witness.birth().await;
    let (mut wire, id) = scene.wire("/").await;
    closer.command(&format!("close {id} 4100 out")).await;
    wire.expect_close(4100).await;
    wire.frame(0x88, &4100u16.to_be_bytes()).await;
    assert_eq!(told(&scene.witness.obituary(id).await), (4100, "out", "plugin", true, 0, 0));
    closer.close(1000, "").await;
    scene.witness.settled(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_client_that_breaks_the_protocol() {
    let scene = Scene::new("").await;
    let mut births = 0;
    for (what, bytes, code, kind) in [
        ("an unmasked frame", &[0x81, 2, b'h', b'i'][..], 1002, "unmasked"),
        ("a reserved bit", &[0xc1, 0x80, 0, 0, 0, 0], 1002, "reserved-bits"),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0], 1002, "reserved-opcode"),
        ("a fragmented ping", &[0x09, 0x80, 0, 0, 0, 0], 1002, "fragmented-control"),
        ("a long ping", &[0x89, 0xfe, 0, 126, 0, 0, 0, 0], 1002, "long-control"),
        ("a continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0], 1002, "unexpected-continuation"),
        ("a message in a message", &[0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], 1002, "expected-continuation"),
        ("a close of one byte", &[0x88, 0x81, 0, 0, 0, 0, 3], 1002, "close-length"),
        ("a close with 1005", &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002, "close-code"),
        ("a text that is not UTF-8", &[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007, "not-utf8"),
        ("a length that is too long", &[0x82, 0xfe, 0, 1, 0, 0, 0, 0, 1], 1002, "length-not-minimal"),
    ] {
        let (mut wire, id) = scene.wire("/").await;
        births += 1;
        wire.write(bytes).await;
        let reason = wire.expect_close(code).await;
        assert_eq!(wire.next().await, None, "{what}: the server does not wait for an answer");
        let end = scene.witness.obituary(id).await;
        assert_eq!((end.code, &end.reason, end.cause.as_str()), (code, &reason, "protocol"), "{what}");
        assert_eq!((end.messages_received, end.messages_sent), (0, 0), "{what}");
        let kind = format!("socklet_protocol_errors_total{{kind=\"{kind}\"}}");
        assert_eq!(scene.server.metric(&kind).await, 1.0, "{what}");
    }
    scene.witness.settled(births).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_clock() {
    let clocks =
        [("idle_timeout = '1s'", "idle for too long"), ("max_lifetime = '1s'", "maximum connection age reached")];
    for (limit, said) in clocks {
        // The witness is an idle connection, too: the calls are counted instead.
        let server = Server::plugin("guest:reporter", &format!("[limits]\n{limit}\n")).await;
        let mut client = server.open("/").await;
        assert_eq!(client.expect_close(1001).await, said);
        server.until_metric("socklet_plugin_calls_total{hook=\"on-close\"}", 1.0).await;
        assert_eq!(server.metric("socklet_connections_closed_total{code=\"1001\",cause=\"limit\"}").await, 1.0);
    }
    let server = Server::start(
        "[[route]]\ndefault = true\nbehavior = 'main'\nauthenticators = 'auth'\n\
         [plugin.main]\nsource = 'guest:reporter'\n[plugin.auth]\nsource = 'guest:auth_grant'\n",
    )
    .await;
    let mut client = server.open("/?as=ada&expires-in=1").await;
    assert_eq!(client.command("principal").await["subject"], "ada");
    assert_eq!(client.expect_close(1008).await, "authorization expired");
    server.until_metric("socklet_connections_closed_total{code=\"1008\",cause=\"expired\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_principal() {
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'main'\nauthenticators = ['auth', 'local']\n\
         [plugin.main]\nsource = 'guest:reporter'\n[plugin.auth]\nsource = 'guest:auth_grant'\n\
         [plugin.local]\nsource = 'stock:ip_auth'\nsettings = { networks = { '127.0.0.1' = 'local' } }\n",
    )
    .await;
    let witness = server.observe("/").await;
    let client = server.open("/?as=ada").await;
    let id = witness.birth().await;
    client.close(1000, "").await;
    assert_eq!(witness.obituary(id).await.principal.as_deref(), Some("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_client_that_never_answers_a_close() {
    let scene = Scene::new("[limits]\nclose_timeout = '1s'\n").await;
    let (mut wire, id) = scene.wire("/").await;
    wire.frame(0x81, b"close-me 4001 bye").await;
    wire.expect_close(4001).await;
    wire.ends().await;
    assert_eq!(told(&scene.witness.obituary(id).await), (4001, "bye", "plugin", false, 1, 0));
    scene.witness.settled(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let scene = Scene::new("").await;
    let mut turns = Vec::new();
    for turn in 0..60u16 {
        let connect = scene.server.at("/");
        turns.push(tokio::spawn(async move {
            let mut client = connect.open().await;
            client.command("me").await;
            match turn % 3 {
                0 => drop(client.close(4000 + turn, "").await),
                1 => client.vanish(),
                _ => {
                    client.send("fail 4500 out").await;
                    client.expect_close(4500).await;
                }
            }
        }));
    }
    for turn in turns {
        turn.await.unwrap();
    }
    scene.witness.settled(60).await;
    let mut ends = scene.witness.obituaries();
    ends.retain(|end| end.cause == "disconnected");
    assert_eq!(ends.len(), 20);
    scene.server.until_metric("socklet_plugin_instances{state=\"live\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_drain() {
    let server = Process::start(
        "[[route]]\npath = '/'\nbehavior = 'm'\ninstance = 'shared'\n[plugin.m]\nsource = 'guest:reporter'\n\
         [drain]\nbatch = 1\ninterval = '1s'\n",
    )
    .await;
    // The first that connected is closed first or last: both are told of the other, or of nobody.
    let (mut first, mut second) = (server.open("/").await, server.open("/").await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.ask("watch").await, "watching");
    }
    let (ended, ends) = tokio::join!(server.terminate(), async { tokio::join!(first.drained(), second.drained()) });
    assert_eq!(ended.0, Some(0), "{}", ended.1);
    let told: Vec<_> = [ends.0, ends.1].concat();
    assert_eq!(told.len(), 1, "the one that was closed later heard of the other: {told:?}");
    let end: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!((end["code"].as_u64(), end["cause"].as_str()), (Some(1012), Some("operator")));
    assert_eq!((end["clean"].as_bool(), end["reason"].as_str()), (Some(true), Some("server restarting")));
}
