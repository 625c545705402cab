//! What an upgrade request is answered.

use super::harness::{Answered, Client, Fake, Head, Host, Setup, dies, done, echo};
use socklet_core::{Acceptance, CallError, DeathKind, EventId, Field, Response};
use tokio::io::DuplexStream;

type Pipe = Client<DuplexStream>;

async fn ask(host: &Host, path: &str, fields: &[(&str, &str)]) -> Head {
    host.client().ask(&Pipe::handshake(path, fields)).await
}

fn outcome(host: &Host, outcome: &str) -> u64 {
    host.metric(&format!("socklet_handshakes_total{{outcome=\"{outcome}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn improper_handshakes() {
    let host = Setup::new(echo).start();
    for (fields, status, body, name) in [
        (&[("Sec-WebSocket-Key", "-")][..], 400, "the Sec-WebSocket-Key field is missing\n", "bad-handshake"),
        (&[("Connection", "close")], 400, "the Connection field does not say upgrade\n", "bad-handshake"),
        (&[("Host", "-")], 400, "the Host field is missing\n", "bad-handshake"),
        (&[("Sec-WebSocket-Version", "8")], 426, "this server speaks WebSocket version 13\n", "bad-version"),
        (&[("Origin", "https://evil.test")], 403, "origin not allowed\n", "origin-not-allowed"),
        (&[("Origin", "null")], 403, "origin not allowed\n", "origin-not-allowed"),
        (
            &[("Origin", "http://example.test"), ("Origin", "http://example.test")],
            403,
            "origin not allowed\n",
            "origin-not-allowed",
        ),
    ] {
        let before = outcome(&host, name);
        let head = ask(&host, "/", fields).await;
        assert_eq!((head.status, &*head.body), (status, body), "{fields:?}");
        assert_eq!(head.field("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(head.field("sec-websocket-version"), (status == 426).then_some("13"));
        assert_eq!(outcome(&host, name), before + 1, "{name}");
    }
    let post = Pipe::handshake("/", &[]).replacen("GET", "POST", 1);
    let head = host.client().ask(&post).await;
    assert_eq!((head.status, head.field("allow")), (405, Some("GET")));
    let head = ask(&host, "/%zz", &[]).await;
    assert_eq!((head.status, &*head.body), (400, "the path is not properly encoded\n"));
    assert_eq!(host.log.events(), []);
    let head = ask(&host, "/", &[("Origin", "http://example.test")]).await;
    assert_eq!(head.status, 101);
}

#[tokio::test(start_paused = true)]
async fn routes_are_found_or_not() {
    let host = Setup::new(echo)
        .config(|config| config.path = crate::PathPattern::parse("/chat").unwrap())
        .route("files", "/files", None)
        .start();
    for (path, status, body) in [
        ("/chat", 101, ""),
        ("/", 404, "nothing here\n"),
        ("/chat/", 404, "nothing here\n"),
        ("/files", 404, "nothing here\n"),
    ] {
        let head = ask(&host, path, &[]).await;
        assert_eq!((head.status, &*head.body), (status, body), "{path}");
    }
    let head = host.client().ask("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, &*head.body), (404, "nothing here\n"));
}

#[tokio::test(start_paused = true)]
async fn plain_requests_to_sockets() {
    let host = Setup::new(echo).start();
    let mut client = host.client();
    let head = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, &*head.body), (426, "this path serves WebSocket connections\n"));
    assert_eq!((head.field("upgrade"), head.field("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(head.field("sec-websocket-version"), Some("13"));
    let mut client = host.client();
    let head = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!((head.status, &*head.body, head.field("allow")), (405, "use GET\n", Some("GET")));
    assert!(!host.metrics().contains("socklet_handshakes_total{"), "plain requests are no handshakes");
}

/// A guest that gives this answer to every request.
fn answering(answer: fn() -> Answered) -> Host {
    Setup::with(Fake::new(|_, _| done()).on_upgrade(move |_| async move { answer() }))
        .config(|config| config.subprotocols = vec!["v2".to_owned(), "v1".to_owned()])
        .start()
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

fn response(status: u16, headers: Vec<Field>, body: &'static str) -> Response {
    Response { status, headers, body: body.into() }
}

fn accepting(subprotocol: Option<&str>, headers: Vec<Field>) -> Acceptance {
    Acceptance { subprotocol: subprotocol.map(str::to_owned), headers }
}

#[tokio::test(start_paused = true)]
async fn a_guest_answers_something_else() {
    let host =
        answering(|| Ok(Err(response(418, vec![field("x-kind", "tea"), field("x-kind", "pot")], "short and stout"))));
    let head = ask(&host, "/", &[]).await;
    assert_eq!((head.status, &*head.body), (418, "short and stout"));
    assert_eq!(head.fields.iter().filter(|(name, _)| name == "x-kind").count(), 2);
    assert_eq!((outcome(&host, "answered"), host.log.events()), (1, vec![]));
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_a_guest_may_not_give() {
    let answers: [fn() -> Answered; 8] = [
        || Ok(Err(response(101, vec![], ""))),
        || Ok(Err(response(700, vec![], ""))),
        || Ok(Err(response(204, vec![], "body"))),
        || Ok(Err(response(302, vec![field("content-length", "9")], ""))),
        || Ok(Ok(accepting(Some("v3"), vec![]))),
        || Ok(Ok(accepting(None, vec![field("sec-websocket-extensions", "x")]))),
        || Ok(Ok(accepting(None, vec![field("x", "a\r\nb: c")]))),
        || Err(CallError::Died { kind: DeathKind::Trap, event: EventId::next() }),
    ];
    for answer in answers {
        let host = answering(answer);
        let head = ask(&host, "/", &[("Sec-WebSocket-Protocol", "v1, v2")]).await;
        assert_eq!(head.status, 500);
        assert!(head.body.starts_with("server error, event "), "{head:?}");
        assert_eq!((outcome(&host, "plugin-failed"), host.log.events()), (1, vec![]));
        host.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn subprotocols_and_further_fields() {
    let chosen: fn() -> _ =
        || Ok(Ok(accepting(Some("v1"), vec![field("set-cookie", "a=1"), field("set-cookie", "b=2")])));
    let unchosen: fn() -> _ = || Ok(Ok(Acceptance::default()));
    for (answer, offered, protocol) in [
        (chosen, "v1, v2", Some("v1")),
        (unchosen, "v1, v2", Some("v2")),
        (unchosen, "v1", Some("v1")),
        (unchosen, "v9", None),
        (unchosen, "-", None),
    ] {
        let host = answering(answer);
        let head = ask(&host, "/", &[("Sec-WebSocket-Protocol", offered)]).await;
        assert_eq!((head.status, head.field("sec-websocket-protocol")), (101, protocol), "{offered}");
        assert_eq!(
            head.fields.iter().filter(|(name, _)| name == "set-cookie").count(),
            if protocol == Some("v1") && offered != "v1" { 2 } else { 0 }
        );
        assert_eq!(outcome(&host, "accepted"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_panics_over_a_request() {
    let host = Setup::with(Fake::new(|_, _| done()).on_upgrade(|guest| async move {
        dies(&guest);
        panic!("expected by the test")
    }))
    .start();
    let head = ask(&host, "/", &[]).await;
    assert_eq!(head.status, 500);
    host.settled().await;
}
