//! The harness itself: one round with everything in it.

use socklet_tests::{Process, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_process() {
    let server = Server::plugin("guest:reporter", "").await;
    let observer = server.observe("/").await;
    let mut client = server.open("/?attach=x").await;
    let id = observer.birth().await;
    assert_eq!(client.command("me").await, id);
    client.ping(b"p").await;
    assert_eq!(client.close(4001, "bye").await.0, 4001);
    let end = observer.obituary(id).await;
    assert_eq!((end.code, end.attachment.as_str()), (4001, "x"));
    observer.settled(1).await;
    server.until_metric("socklet_connections", 1.0).await;
    assert_eq!(server.drain().await.forced, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_process() {
    let server = Process::start("[[route]]\ndefault = true\nbehavior = 'a'\n[plugin.a]\nsource = 'stock:echo'\n").await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("hello").await, "hello");
    assert!(server.rss() > 1 << 20 && server.fds() > 3);
    let ((code, log), _) = tokio::join!(server.terminate(), client.expect_close(1012));
    assert_eq!(code, Some(0), "{log}");
}
