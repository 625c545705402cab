//! What happens, as operators read along.

use serde_json::{Value, json};
use socklet_tests::{Process, Stream, command, connect, guest, marked, within};
use std::{fs, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

const CONFIG: &str = r#"
    [[route]]
    tenant = "acme"
    path = "/acme"
    behavior = "own"
    [[route]]
    tenant = "other"
    path = "/other"
    behavior = "other"
    [tenant.other]
    max_connections = 1
    [plugin.own]
    source = "guest:versioned"
    settings = { version = "own" }
    [plugin.other]
    source = "guest:reporter"
    [drain]
    timeout = "20s"
    [admin]
    bind = "unix:admin.sock"
"#;

/// A command that follows events, and what it has printed.
struct Follower {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    async fn start(server: &Process, arguments: &[&str]) -> Self {
        let arguments = [&["events", "--json"], arguments].concat();
        let mut child = command(&arguments, server.folder()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, lines }
    }

    async fn next(&mut self) -> Value {
        let line = within("an event", self.lines.next_line()).await.unwrap().expect("the command goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Skips others.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["kind"] == kind {
                return event;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_are_told_what_happens() {
    let server = Process::start(CONFIG).await;
    let mut all = Follower::start(&server, &[]).await;
    server.until_metric("socklet_admin_readers", 1.0).await;
    server.reload("ok").await;
    assert_eq!(all.next().await["kind"], "config.reloaded");

    let mut client = server.open("/other").await;
    let id = client.command("me").await;
    let opened = all.next_of("connection.opened").await;
    assert_eq!((&opened["connection"], &opened["tenant"], &opened["route"]), (&id, &json!("other"), &json!("other")));
    assert_eq!(opened["listener"], "default");
    assert_eq!(server.at("/other").answer().await.status, 503);
    let hit = all.next_of("limit.hit").await;
    assert_eq!((&hit["limit"], &hit["tenant"]), (&json!("tenant_max_connections"), &json!("other")));
    client.close(4000, "").await;
    let closed = all.next_of("connection.closed").await;
    assert_eq!((&closed["connection"], &closed["code"], &closed["cause"]), (&id, &json!(4000), &json!("client")));

    fs::write(server.folder().join("next.wasm"), marked(&guest("versioned"), 1)).unwrap();
    assert_eq!(server.command(&["plugin", "swap", "own", "next.wasm"]).await.0, 0);
    let swapped = all.next_of("plugin.swapped").await;
    assert_eq!((&swapped["plugin"], &swapped["version"]), (&json!("own"), &json!(2)));
    assert!(swapped["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(server.command(&["plugin", "rollback", "own"]).await.0, 0);
    assert_eq!(all.next_of("plugin.rolled-back").await["version"], 1);
    server.configure(&CONFIG.replace("version = \"own\"", "version = \"two\", dies = \"message\""));
    server.reload("ok").await;
    let mut victim = server.open("/acme").await;
    victim.send("die").await;
    let trapped = all.next_of("plugin.trapped").await;
    assert_eq!(
        (&trapped["tenant"], &trapped["plugin"], &trapped["hook"]),
        (&json!("acme"), &json!("own"), &json!("on-message"))
    );
    all.next_of("plugin.failed-trial").await;
    server.configure("[nonsense]");
    server.reload("failed").await;
    assert!(all.next_of("config.refused").await["problems"][0].as_str().unwrap().contains("nonsense"));
    let (code, _) = server.terminate().await;
    assert_eq!(code, Some(0));
    all.next_of("drain.started").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_tells_how_it_goes_on() {
    let server = Process::start(CONFIG).await;
    let mut follower = Follower::start(&server, &["--kinds", "drain"]).await;
    let mut stalled = server.at("/other").wire().await;
    server.until_metric("socklet_admin_readers", 1.0).await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(follower.next().await["connections"], 1);
    let progress = follower.next().await;
    assert_eq!((&progress["kind"], &progress["connections"]), (&json!("drain.progress"), &json!(1)));
    stalled.write(b"\x88\x80aaaa").await;
    assert_eq!(server.wait().await.0, Some(0));
}

/// A reader at the level of bytes.
struct Raw(Box<dyn Stream>, Vec<u8>);

impl Raw {
    /// None when there is no place.
    async fn open(server: &Process, path: &str) -> Option<Self> {
        let mut stream = connect(&server.admin().parse().unwrap()).await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut raw = Self(stream, Vec::new());
        let head = raw.until("\r\n\r\n").await;
        head.starts_with("HTTP/1.1 200 ").then_some(raw)
    }

    async fn until(&mut self, text: &str) -> String {
        loop {
            let read = String::from_utf8_lossy(&self.1);
            if let Some(at) = read.find(text) {
                let rest = self.1.split_off(at + text.len());
                return String::from_utf8(std::mem::replace(&mut self.1, rest)).unwrap();
            }
            let got = within(text, self.0.read_buf(&mut self.1)).await.unwrap();
            assert!(got > 0, "it ended before {text}: {}", String::from_utf8_lossy(&self.1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_filtered_and_their_readers_are_bounded() {
    let server = Process::start(CONFIG).await;
    let mut readers = Vec::new();
    for _ in 0..16 {
        readers.push(Raw::open(&server, "/v1/events").await.expect("there is room"));
    }
    let (status, problem) = server.api("", "GET /v1/events", "", b"").await;
    assert_eq!((status, &problem["type"]), (503, &json!("urn:socklet:problem:too-many-readers")));
    // They are none of those that are answered at a time.
    assert_eq!(server.api("", "GET /v1/status", "", b"").await.0, 200);
    drop(readers);
    server.until_metric("socklet_admin_readers", 0.0).await;

    let (status, problem) = server.api("", "GET /v1/events?kinds=plugin,moon", "", b"").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 400 && detail.contains("no events \"moon\"; there are connection.opened, "), "{problem}");
    let mut other = Raw::open(&server, "/v1/events?tenant=other&kinds=connection.opened").await.unwrap();
    other.until(": from now on\n\n").await;
    let _acme = server.open("/acme").await;
    let _other = server.open("/other").await;
    let event = other.until("}\n\n").await;
    assert!(event.contains("event: connection.opened\n"), "{event}");
    assert!(event.contains("\"tenant\":\"other\"") && !event.contains("acme"), "{event}");
}
