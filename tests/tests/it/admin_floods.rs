//! An admin API that is flooded: whoever floods is refused, and nobody else notices.

use serde_json::json;
use socklet_tests::{Process, Stream, connect, eventually, replace, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOKEN: &str = "0123456789-token-of-operators";

async fn start(more: &str) -> Process {
    let folder = tempfile::tempdir().unwrap();
    replace(folder.path(), "token", TOKEN);
    let config = format!(
        "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n\
         [admin]\nbind = '127.0.0.1:0'\ntoken_file = 'token'\n{more}"
    );
    Process::start_in(folder, &config).await
}

async fn open(server: &Process) -> Box<dyn Stream> {
    let address = server.admin().strip_prefix("http://").unwrap().parse().unwrap();
    connect(&address).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_guesses_is_not_listened_to() {
    let server = start("failure_rate = '5/h'\n").await;
    for _ in 0..5 {
        assert_eq!(server.api("0123456789-not-the-token", "GET /v1/status", "", b"").await.0, 401);
    }
    // Not even with the right one.
    for token in ["0123456789-not-the-token", TOKEN, ""] {
        let bearer = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let answer = server.ask_admin("GET /v1/status", &bearer, b"").await;
        assert_eq!(answer.status, 429);
        let left: u64 = answer.header("retry-after").parse().unwrap();
        assert!((3000..=3600).contains(&left), "{left}");
        assert!(answer.body.contains("urn:socklet:problem:too-many-failures"), "{}", answer.body);
    }
    assert_eq!(server.metric("socklet_admin_requests_total{outcome=\"unauthorized\"}").await, 5.0);
    assert_eq!(server.metric("socklet_admin_requests_total{outcome=\"throttled\"}").await, 3.0);
    let log = server.terminate().await.1;
    assert_eq!(log.matches("without the right token").count(), 5, "{log}");
    assert_eq!(log.matches("refused too often").count(), 1, "{log}");
}

/// Asks without a token, again and again, until `over`; and one connection each that says nothing, and one that says half.
async fn flood(server: &Process, over: &std::sync::atomic::AtomicBool) -> u64 {
    let mut asked = 0;
    let mut silent = Vec::new();
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        let mut stream = open(server).await;
        // The backlog may be full, and whoever is refused may be cut off.
        let _ =
            stream.write_all(b"POST /v1/plugins/main/swap HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\n\r\n").await;
        let _ = stream.write_all(&[0; 65536]).await;
        let mut answer = Vec::new();
        let _ = within("an answer, or the end", stream.read_to_end(&mut answer)).await;
        asked += 1;
        if silent.len() < 20 {
            let mut half = open(server).await;
            let _ = half.write_all(b"GET /v1/status HTTP/1.1\r\nhost:").await;
            silent.push(half);
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_slows_down_nobody_else() {
    let server = start("").await;
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut client = server.open("/").await;
    client.command("me").await;
    let before = server.rss();
    let serve = async {
        // Begins when the flood does, and is done while it goes on.
        let throttled = "socklet_admin_requests_total{outcome=\"throttled\"}";
        eventually("the flood", async || server.metric(throttled).await >= 1.0).await;
        for number in 0..2_000 {
            assert_eq!(client.ask(&format!("echo {number}")).await, number.to_string());
        }
        for _ in 0..20 {
            server.open("/").await.close(1000, "").await;
            assert_eq!(server.get_ops("/healthz").await.status, 200);
        }
        eventually("more of it", async || server.metric(throttled).await >= 100.0).await;
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let floods = futures_util::future::join_all((0..32).map(|_| flood(&server, &over)));
    let (asked, ()) = tokio::join!(floods, serve);
    assert!(asked.iter().sum::<u64>() > 32, "{asked:?}");
    let grown = server.rss().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown}");
    // All of it is over in a moment.
    eventually("sockets are closed", async || server.fds() < 100).await;
    assert_eq!(client.ask("echo still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_with_a_token_get_through_a_flood_of_silence() {
    let server = start("").await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(open(&server).await);
    }
    // Those who say nothing are gone after their time, and then it is the operator's turn.
    let (status, shown) = server.api(TOKEN, "GET /v1/status", "", b"").await;
    assert_eq!((status, &shown["draining"]), (200, &json!(false)));
}
