//! Certificates that change while the server runs: connections stay, new handshakes get what is new, and what is wrong is refused.

use super::{config, folder, serve};
use socklet_tests::{Authority, Client, Issued, Process, Trust, eventually, provide_descriptors, replace};
use std::fs;

const FAILED: &str = "socklet_tls_reloads_total{outcome=\"failed\"}";
const OK: &str = "socklet_tls_reloads_total{outcome=\"ok\"}";

async fn open(server: &Process, trust: &Trust) -> Client {
    server.at("/echo").tls(trust, "localhost").open().await
}

/// Whether new handshakes show a certificate that somebody has signed. Nothing is resumed.
async fn shows(server: &Process, authority: &Authority) -> bool {
    let stream = socklet_tests::connect(server.address()).await;
    Trust::new(authority).secure(stream, "localhost").await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_echo_on_while_the_certificate_is_replaced() {
    provide_descriptors(4096);
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = serve(&old, "").await;
    let by_old = Trust::new(&old);
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(open(&server, &by_old).await);
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut tasks = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let stopped = stopped.clone();
        tasks.push(tokio::spawn(async move {
            let mut turn = 0;
            // One round is always after the change.
            let mut last = false;
            while !std::mem::replace(&mut last, *stopped.borrow()) {
                let text = format!("{number} {turn}");
                assert_eq!(client.ask(&text).await, text);
                turn += 1;
            }
            client
        }));
    }
    new.issue(&["localhost"]).write(server.folder(), "a");
    server.reload("ok").await;
    assert_eq!(server.metric(OK).await, 1.0);
    assert!(shows(&server, &new).await && !shows(&server, &old).await);
    // And without being asked to.
    old.issue(&["localhost"]).write(server.folder(), "a");
    server.until_metric(OK, 2.0).await;
    assert!(shows(&server, &old).await && !shows(&server, &new).await);
    stop.send(true).unwrap();
    for task in tasks {
        let client = task.await.expect("a client was closed");
        client.vanish();
    }
    assert_eq!(server.metric("socklet_connections_opened_total").await, 1000.0);
    assert_eq!(server.metric("socklet_connections_closed_total{cause=\"host\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_as_a_whole_and_told() {
    let authority = Authority::new("wrong");
    let server = serve(&authority, "").await;
    let trust = Trust::new(&authority);
    let mut client = open(&server, &trust).await;
    let good = authority.issue(&["localhost"]);
    let other = authority.issue(&["localhost"]);
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let with = |cert: &str, key: &str| Issued { cert: cert.to_owned(), key: key.to_owned() };
    let request = || authority.request(&["localhost"]);
    let missing = with(&good.cert, &good.key);
    for (issued, told) in [
        (with(&half(&good.cert), &good.key), "cert = 'a.pem': a certificate in it is damaged: it has no end"),
        (with(&good.cert, &half(&good.key)), "key = 'a.key': the private key in it is damaged: it has no end"),
        (with(&good.cert, &other.key), "key = 'a.key': the private key in it is not that of the certificate in"),
        (with("not PEM", &good.key), "cert = 'a.pem': there is no certificate in it"),
        (request().expired(3).issue(), "cert: a.pem: the certificate of localhost: it has expired on "),
        (request().early(3).issue(), "cert: a.pem: the certificate of localhost: it is not valid before "),
        (missing, "key = 'a.key': there is no file a.key"),
    ] {
        issued.write(server.folder(), "a");
        if told.contains("there is no file") {
            fs::remove_file(server.folder().join("a.key")).unwrap();
        }
        server.reload("failed").await;
        let log = server.until_log(told).await;
        let line = log.lines().find(|line| line.contains(told)).unwrap();
        assert!(line.contains("problem of the configuration") && line.contains("socklet.toml:"), "{line}");
        assert!(!log.contains("PRIVATE KEY-----\n"), "{log}");
        assert!(shows(&server, &authority).await);
        assert_eq!(client.ask("still here").await, "still here");
    }
    assert!(server.metric(FAILED).await >= 7.0);
    assert_eq!(server.metric(OK).await, 0.0);
    let ours = "socklet_tls_certificate_not_after_timestamp_seconds{listener=\"default\",name=\"localhost\"}";
    let end = server.metric(ours).await;
    request().expires_in(10).issue().write(server.folder(), "a");
    server.reload("ok").await;
    assert!(shows(&server, &authority).await && server.metric(ours).await < end);
    server.until_log("certificate expires soon").await;
    assert_eq!(client.ask("still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_found_without_being_asked_to_look() {
    let authority = Authority::new("watched");
    let server = serve(&authority, "").await;
    let trust = Trust::new(&authority);
    let mut client = open(&server, &trust).await;
    let good = authority.issue(&["localhost"]);
    // The certificate first and its key later, as whoever copies them does.
    replace(server.folder(), "a.pem", &good.cert);
    server.until_metric(FAILED, 1.0).await;
    let log = server.until_log("a.key: the private key in it is not that of the certificate in").await;
    let line = log.lines().find(|line| line.contains("is not that of the certificate")).unwrap();
    assert!(line.contains("certificates not reloaded") && line.contains("listener=default"), "{line}");
    assert!(shows(&server, &authority).await);
    authority.request(&["localhost"]).expired(3).issue().write(server.folder(), "a");
    server.until_metric(FAILED, 2.0).await;
    server.until_log("a.pem: the certificate of localhost: it has expired on ").await;
    assert!(shows(&server, &authority).await);
    good.write(server.folder(), "a");
    server.until_metric(OK, 1.0).await;
    assert_eq!(server.metric(FAILED).await, 2.0, "what was refused once is not read again");
    assert!(shows(&server, &authority).await);
    assert_eq!(client.ask("still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_served_from_the_start_and_does_not_stand_in_the_way() {
    let authority = Authority::new("expired");
    let folder = folder(&authority);
    authority.request(&["localhost"]).expired(1).issue().write(folder.path(), "a");
    let text = config("cert = 'a.pem'\nkey = 'a.key'");
    let server = Process::start_in(folder, &text).await;
    let log = server.until_log("certificate is not valid").await;
    let line = log.lines().find(|line| line.contains("certificate is not valid")).unwrap();
    assert!(line.contains("ERROR") && line.contains("it has expired on"), "{line}");
    // What is wrong anyway does not keep the rest from being changed.
    server.reload("ok").await;
    let (code, _, err) = server.command(&["check", "socklet.toml"]).await;
    assert!(code == 64 && err.contains("listener.tls.cert: ") && err.contains("it has expired on"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_authorities_change_with_a_reload() {
    let (authority, others) = (Authority::new("one"), Authority::new("two"));
    let server = serve(&authority, "client_ca = 'ca.pem'\nclient_auth = 'optional'").await;
    let nobody = Trust::new(&authority);
    let one = Trust::showing(&authority, &authority.issue(&["one.example"]));
    let two = Trust::showing(&authority, &others.issue(&["two.example"]));
    // TLS 1.3 tells a client with its first read that it is not let in.
    let serves = async |trust: &Trust| {
        let stream = trust.secure(socklet_tests::connect(server.address()).await, "localhost").await;
        let Ok(stream) = stream else { return false };
        let mut wire = socklet_tests::Wire::new(stream);
        let _ = wire.try_frame(b'G', b"").await;
        wire.next_byte().await.is_some()
    };
    assert!(serves(&nobody).await && serves(&one).await && !serves(&two).await);
    let mut client = open(&server, &one).await;
    // The authorities alone: that is a file.
    replace(server.folder(), "ca.pem", &others.pem());
    server.until_metric(OK, 1.0).await;
    assert!(serves(&nobody).await && !serves(&one).await && serves(&two).await);
    // Who must show one: that is the configuration.
    server.reload_with(&config("cert = 'a.pem'\nkey = 'a.key'\nclient_ca = 'ca.pem'\nclient_auth = 'required'")).await;
    assert!(!serves(&nobody).await && !serves(&one).await && serves(&two).await);
    assert_eq!(client.ask("still here").await, "still here");
    server.configure(
        &config("cert = 'a.pem'\nkey = 'a.key'")
            .replace("[listener.tls]", "#")
            .replace("cert =", "#")
            .replace("key =", "#"),
    );
    // And whether there is any: those who are in stay.
    server.reload("ok").await;
    assert_eq!(server.get("/").await.status, 426);
    assert_eq!(client.ask("still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_reload_by_command() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = folder(&old);
    let text = config("cert = 'a.pem'\nkey = 'a.key'") + "[admin]\nbind = 'unix:admin.sock'\n";
    let server = Process::start_in(folder, &text).await;
    new.issue(&["localhost"]).write(server.folder(), "a");
    let (code, out, err) = server.command(&["reload"]).await;
    assert!(code == 0 && out.starts_with("reloaded"), "{out}{err}");
    assert!(shows(&server, &new).await);
    replace(server.folder(), "a.pem", "nothing");
    let (code, _, err) = server.command(&["reload"]).await;
    assert!(code == 64 && err.contains("listener.tls.cert = 'a.pem': there is no certificate in it"), "{err}");
    eventually("what was there stays", async || shows(&server, &new).await).await;
}
