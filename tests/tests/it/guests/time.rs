//! Guests that take time which is not theirs: in places where a deadline is easily forgotten.

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn spin_realloc() {
    let mut stage = Stage::new("spin_realloc", "").await;
    let (mut client, id) = stage.open().await;
    assert_eq!(client.ask("arm").await, "armed");
    client.send("arguments").await;
    stage.buried(client, id).await;
    assert_eq!(stage.traps("deadline").await, 1.0);
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn fill_memory() {
    let mut stage = Stage::new("fill_memory", "").await;
    stage.dies("fill", "deadline").await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn sleeper() {
    let mut stage = Stage::new("sleeper", "wait_timeout = \"300ms\"").await;
    stage.dies("sleep", "timeout").await;
    // Who goes while the guest sleeps is told of, too.
    let (mut client, id) = stage.open().await;
    client.send("sleep").await;
    client.vanish();
    let end = stage.witness.obituary(id).await;
    assert_eq!((end.code, end.cause.as_str(), end.clean, end.messages_received), (1006, "disconnected", false, 1));
    assert_eq!(stage.traps("timeout").await, 2.0);
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn compute() {
    let mut stage = Stage::new("compute", "").await;
    let (mut client, _) = stage.open().await;
    assert_eq!(client.ask("1").await, "done");
    assert_eq!(client.ask("one").await, "one");
    client.vanish();
    stage.dies("10000000", "deadline").await;
    stage.others_go_on().await;
}
