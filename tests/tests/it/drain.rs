//! Drain, in the process and by signals: nobody is dropped without a word, and it ends.

use rustix::process::Signal;
use socklet_tests::{Process, Server, Wire, eventually};

const REPORTER: &str = "[[route]]\ndefault = true\nbehavior = 'm'\n[plugin.m]\nsource = 'guest:reporter'\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_to_come_back() {
    let server = Server::start(&format!("{REPORTER}[drain]\nbatch = 3\ninterval = '10ms'\n")).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.open("/").await;
        assert_eq!(client.ask("echo served").await, "served");
        clients.push(client);
    }
    let address = server.address().clone();
    let told = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(client.expect_close(1012).await, "server restarting");
        }
    });
    let report = server.drain().await;
    assert_eq!((report.closed, report.forced), (10, 0));
    told.await.unwrap();
    let socklet_server::Bind::Tcp(address) = address else { panic!("a TCP listener") };
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_go_is_cut_off_at_the_deadline() {
    let server = Server::start(&format!("{REPORTER}[drain]\ntimeout = '1s'\n[limits]\nclose_timeout = '1h'\n")).await;
    let mut stubborn = server.at("/").wire().await;
    // Once it is served, it is one that the drain closes, and not one that finds the drain under way.
    stubborn.frame(0x81, b"echo served").await;
    assert!(stubborn.next().await.is_some());
    let report = server.drain().await;
    assert_eq!((report.closed, report.forced), (1, 1));
    stubborn.expect_close(1012).await;
    stubborn.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_drains_and_ends_with_0() {
    let server =
        Process::start(&format!("{REPORTER}[drain]\ntimeout = '50s'\n[limits]\nclose_timeout = '40s'\n")).await;
    assert_eq!(server.get_ops("/readyz").await.status, 200);
    let mut polite = server.open("/").await;
    let mut late = server.at("/").wire().await;
    // A socket that is still in its handshake keeps the drain waiting, too.
    let mut asking = Wire::connect(server.address()).await;
    asking.write(b"GET /").await;
    eventually("it is accepted", async || server.metric("socklet_sockets").await == 3.0).await;
    server.signal(Signal::TERM);
    assert_eq!(polite.expect_close(1012).await, "server restarting");
    late.expect_close(1012).await;
    eventually("it is not ready", async || server.get_ops("/readyz").await.body == "draining\n").await;
    assert_eq!(server.get_ops("/healthz").await.status, 200, "it lives");
    assert_eq!(server.metric("socklet_draining").await, 1.0);
    server.until_metric("socklet_connections", 1.0).await;
    late.frame(0x88, &1012u16.to_be_bytes()).await;
    drop(asking);
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
    for line in ["asked to stop", "draining", "drained"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert_eq!(log.matches("code=1012 cause=\"operator\" clean=true").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let server = Process::start(&format!("{REPORTER}[limits]\nclose_timeout = '1h'\n[drain]\ntimeout = '1h'\n")).await;
    let mut stubborn = server.at("/").wire().await;
    server.signal(Signal::INT);
    stubborn.expect_close(1012).await;
    server.signal(Signal::TERM);
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped by a second signal"), "{log}");
}
