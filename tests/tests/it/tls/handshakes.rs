//! Handshakes that fail, clients that say nothing, connections that end.

use super::{config, folder, serve};
use socklet_server::Bind;
use socklet_tests::{Authority, Process, Trust, Wire, connect, finished, within};
use std::{io::ErrorKind, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

fn outcome(outcome: &str) -> String {
    format!("socklet_tls_handshakes_total{{outcome=\"{outcome}\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_speak_tls_is_told_and_counted() {
    let authority = Authority::new("plain");
    let text = format!("{}[log]\nlevel = 'debug'\n", config("cert = 'a.pem'\nkey = 'a.key'"));
    let server = Process::start_in(folder(&authority), &text).await;
    let answer = server.get("/").await;
    assert_eq!((answer.status, answer.header("connection")), (400, "close"));
    assert_eq!(answer.body, "this address speaks TLS: write https:// or wss://\n");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", &format!("http://{}/", server.address())]).stdin(Stdio::null());
    let (code, out, err) = finished(curl).await;
    assert!(code == 0 && out.starts_with("this address speaks TLS"), "{out}{err}");
    let mut wire = Wire::connect(server.address()).await;
    wire.write(&[0; 100]).await;
    wire.ends().await;
    drop(connect(server.address()).await);
    for (name, count) in [("plain-http", 2.0), ("not-tls", 1.0), ("closed", 1.0)] {
        server.until_metric(&outcome(name), count).await;
    }
    let log = server.until_log("outcome=\"closed\"").await;
    let line = log.lines().find(|line| line.contains("tls handshake failed") && line.contains("plain-http")).unwrap();
    assert!(line.contains("client=\"127.0.0.1:") && line.contains("speaks HTTP without TLS"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_deadline_is_for_tls_and_the_request_together() {
    let authority = Authority::new("deadline");
    let limits = "[limits]\nhandshake_timeout = '1s'\n";
    let text = config("cert = 'a.pem'\nkey = 'a.key'") + limits;
    let server = Process::start_in(folder(&authority), &text).await;
    // Says nothing; says half of a hello; says all of it and asks for nothing.
    let mut silent = connect(server.address()).await;
    let mut slow = connect(server.address()).await;
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    let mut idle = Trust::new(&authority).secure(connect(server.address()).await, "localhost").await.unwrap();
    for stream in [&mut silent, &mut slow, &mut idle] {
        within("the end of a socket", stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    server.until_metric(&outcome("timeout"), 2.0).await;
    server.until_metric("socklet_sockets", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_both_closing_handshakes() {
    let authority = Authority::new("end");
    let server = serve(&authority, "").await;
    let trust = Trust::new(&authority);
    let client = server.at("/echo").tls(&trust, "localhost").open().await;
    assert_eq!(client.close(4001, "see you").await.0, 4001);
    // Without a library: after the close frame comes the alert of TLS, and then the end.
    let mut stream = trust.secure(connect(server.address()).await, "localhost").await.unwrap();
    stream.write_all(server.at("/echo").head().as_bytes()).await.unwrap();
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let mut answer = Vec::new();
    within("a proper end", stream.read_to_end(&mut answer)).await.expect("rustls sees the server's close_notify");
    assert!(answer.ends_with(&[0x88, 2, 3, 0xe8]), "{answer:?}");
    // A client that is gone without a word.
    let mut client = server.at("/echo").tls(&trust, "localhost").open().await;
    assert_eq!(client.ask("hello").await, "hello");
    client.vanish();
    // One that breaks the protocol hears of it.
    let mut wire = server.at("/echo").tls(&trust, "localhost").wire().await;
    wire.frame(0xf1, b"reserved").await;
    wire.expect_close(1002).await;
    wire.ends().await;
    server.until_metric("socklet_connections", 0.0).await;
    server.until_metric("socklet_sockets", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_costs_no_more_than_a_plain_one() {
    let authority = Authority::new("slow");
    let limits = "[limits]\nmax_message_size = '1MiB'\nsend_queue_max_bytes = '4MiB'\n";
    let server = Process::start_in(folder(&authority), &(config("cert = 'a.pem'\nkey = 'a.key'") + limits)).await;
    let trust = Trust::new(&authority);
    let mut slow = server.at("/echo").tls(&trust, "localhost").wire().await;
    // More than the sockets hold: the server stops to read, and the client cannot write any more.
    let message = vec![7; 1 << 20];
    let mut sent = 0;
    loop {
        let write = tokio::time::timeout(std::time::Duration::from_secs(2), slow.try_frame(0x82, &message));
        match write.await {
            Ok(took) => assert!(took, "the server hung up"),
            Err(_) => break,
        }
        sent += 1;
        assert!(sent < 100, "the server does not stop to read");
    }
    let queued = server.metric("socklet_send_queue_bytes").await;
    assert!(queued > 0.0 && queued <= 4.0 * 1024.0 * 1024.0, "{queued}");
    // Others do not notice.
    let mut client = server.at("/echo").tls(&trust, "localhost").open().await;
    assert_eq!(client.ask("hello").await, "hello");
    for _ in 0..sent {
        assert_eq!(slow.next().await.unwrap().payload, message);
    }
    server.until_metric("socklet_send_queue_bytes", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_closes_connections_and_does_not_wait_for_handshakes() {
    let authority = Authority::new("drain");
    let server = serve(&authority, "").await;
    let trust = Trust::new(&authority);
    let mut client = server.at("/echo").tls(&trust, "localhost").open().await;
    assert_eq!(client.ask("hello").await, "hello");
    let mut silent = connect(server.address()).await;
    server.until_metric("socklet_sockets", 2.0).await;
    let (ended, reason) = tokio::join!(server.terminate(), client.expect_close(1012));
    assert_eq!(ended.0, Some(0), "{reason}: {}", ended.1);
    assert!(ended.1.contains("forced=0"), "{}", ended.1);
    let end = within("the end of a socket", silent.read(&mut [0])).await;
    assert!(
        end.as_ref().is_ok_and(|read| *read == 0) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_pages_and_upgrades() {
    let authority = Authority::new("curl");
    let page = "[[route]]\npath = '/page/{*file}'\nstatic = '.'\n";
    let server = Process::start_in(folder(&authority), &(config("cert = 'a.pem'\nkey = 'a.key'") + page)).await;
    let Bind::Tcp(address) = server.address() else { panic!("a listener on TCP") };
    let url = |path: &str| format!("https://localhost:{}{path}", address.port());
    let resolve = format!("localhost:{}:127.0.0.1", address.port());
    let curl = async |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert", "ca.pem", "--resolve", &resolve, "--max-time", "30"]);
        curl.args(arguments).current_dir(server.folder()).stdin(Stdio::null());
        finished(curl).await
    };
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let (code, out, err) = curl(&[version, &[&url("/page/ca.pem")]].concat()).await;
        assert!(code == 0 && out == authority.pem(), "{version:?}: {out}{err}");
    }
    let (code, _, err) = curl(&["--capath", "/nowhere", "--cacert", "a.key", &url("/")]).await;
    assert!(code == 77 || code == 60, "{code}: {err}");
    let (code, out, err) = curl(&["--include", &url("/echo")]).await;
    assert!(code == 0 && out.starts_with("HTTP/1.1 426 "), "{out}{err}");
}
