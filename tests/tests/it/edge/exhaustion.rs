//! File descriptors run out: the server says so, goes on, and serves again when there are some.

use socklet_server::Bind;
use socklet_tests::{Process, eventually};
use std::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_descriptors_comes_back() {
    let config = "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'stock:echo'\n";
    let process = Process::start_limited(tempfile::tempdir().unwrap(), config, "ulimit -n 64").await;
    let Bind::Tcp(address) = *process.address() else { panic!("a listener on TCP") };
    let mut served = process.open("/").await;
    assert!(process.log().contains("max_connections needs more open files"), "{}", process.log());

    let mut crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    process.until_log("failed to accept, trying again").await;
    // Who is there is served.
    for n in 0..20 {
        assert_eq!(served.ask(&n.to_string()).await, n.to_string());
    }
    let before = process.log().matches("failed to accept, trying again").count();
    crowd.clear();
    process.until_log("accepting again").await;
    let mut late = process.open("/").await;
    assert_eq!(late.ask("hello").await, "hello");
    // Operators have descriptors again, too.
    eventually("the failures are counted", async || process.metric("socklet_accept_errors_total").await >= 1.0).await;
    let (code, log) = process.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(before < 20, "said once in a second: {log}");
}
