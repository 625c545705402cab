//! HTTP/1.1 around the handshake: deadlines, sizes, connections that are kept.

use super::harness::{Client, Host, SECOND, Setup, echo};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{Instant, sleep, timeout},
};

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How long it takes until the server ends the connection, and what it said until then.
async fn ends(client: &mut Client<DuplexStream>) -> (Duration, String) {
    let started = Instant::now();
    let mut said = Vec::new();
    let _ = timeout(1000 * SECOND, client.stream.read_to_end(&mut said)).await.expect("it ends");
    (started.elapsed(), String::from_utf8(said).unwrap())
}

fn host() -> Host {
    Setup::new(echo).start()
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_cut_off() {
    let host = host();
    let (after, said) = ends(&mut host.client()).await;
    assert_eq!((after, &*said), (10 * SECOND, ""));
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_its_request_is_cut_off() {
    let host = host();
    let client = host.client();
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let started = Instant::now();
    let trickle = tokio::spawn(async move {
        for byte in Client::<DuplexStream>::handshake("/", &[]).bytes() {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
    });
    let mut said = String::new();
    let _ = reader.read_to_string(&mut said).await;
    assert!(started.elapsed() <= 11 * SECOND, "{:?}", started.elapsed());
    assert!(!said.contains("101"), "{said}");
    trickle.abort();
    host.settled().await;
    assert_eq!(host.log.events(), []);
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept_for_further_requests_and_then_closed() {
    let host = host();
    let mut client = host.client();
    for _ in 0..3 {
        assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.status, 405);
        sleep(SECOND).await;
    }
    let (after, _) = ends(&mut client).await;
    assert!(after <= 10 * SECOND, "{after:?}");
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_on_a_connection_that_was_used_before() {
    let host = host();
    let mut client = host.client();
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.status, 405);
    sleep(9 * SECOND).await;
    let mut client = client.upgrade("/", &[]).await;
    sleep(15 * SECOND).await;
    client.text("the handshake's deadline is over").await;
    assert_eq!(client.next_text().await, "the handshake's deadline is over");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let host = host();
    let client = host.client_with(10);
    let (_reader, mut writer) = tokio::io::split(client.stream);
    let writing = tokio::spawn(async move { while writer.write_all(PLAIN.as_bytes()).await.is_ok() {} });
    let started = Instant::now();
    writing.await.unwrap();
    assert!(started.elapsed() <= 41 * SECOND, "{:?}", started.elapsed());
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn heads_that_are_too_large() {
    let host = host();
    let many: String = (0..101).map(|n| format!("x-{n}: a\r\n")).collect();
    let large = format!("x: {}\r\n", "a".repeat(17 * 1024));
    for fields in [many, large] {
        let mut client = host.client();
        client.write(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).await;
        let (after, said) = ends(&mut client).await;
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
        assert!(after <= 10 * SECOND);
    }
    let fits = format!("x: {}\r\n", "a".repeat(15 * 1024));
    let head = host.client().ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fits}\r\n")).await;
    assert_eq!(head.status, 426);
    host.settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http() {
    let host = host();
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"hello\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let mut client = host.client();
        client.write(bytes).await;
        let (after, said) = ends(&mut client).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
        assert_eq!(after, Duration::ZERO);
    }
    host.settled().await;
}
