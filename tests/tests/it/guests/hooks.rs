//! Guests that trap or spin in one of their hooks.

use super::stage::Stage;

const T: &str = "trap";
const D: &str = "deadline";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn trap_message() {
    let mut stage = Stage::new("trap_message", "").await;
    stage.dies("trap", T).await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn spin_message() {
    let mut stage = Stage::new("spin_message", "").await;
    stage.dies("spin", D).await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn trap_second() {
    let mut stage = Stage::new("trap_second", "").await;
    for _ in 0..3 {
        let (mut client, id) = stage.open().await;
        assert_eq!(client.ask("the first").await, "the first");
        client.send("the second").await;
        let end = stage.buried(client, id).await;
        assert_eq!((end.messages_received, end.messages_sent), (2, 1));
    }
    assert_eq!(stage.traps(T).await, 3.0);
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn trap_upgrade() {
    let stage = Stage::new("trap_upgrade", "").await;
    stage.upgrade_dies("", T).await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn spin_upgrade() {
    let stage = Stage::new("spin_upgrade", "").await;
    stage.upgrade_dies("", D).await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn trap_open() {
    dies_at_open("trap_open", T).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn spin_open() {
    dies_at_open("spin_open", D).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn trap_close() {
    dies_at_close("trap_close", T).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn spin_close() {
    dies_at_close("spin_close", D).await;
}

async fn dies_at_open(guest: &str, reason: &str) {
    let mut stage = Stage::new(guest, "").await;
    let (client, id) = stage.open().await;
    let end = stage.buried(client, id).await;
    assert_eq!((end.messages_received, end.messages_sent), (0, 0));
    assert_eq!(stage.traps(reason).await, 1.0);
    stage.others_go_on().await;
}

/// The client is not harmed: it was gone before.
async fn dies_at_close(guest: &str, reason: &str) {
    let mut stage = Stage::new(guest, "").await;
    let (mut client, id) = stage.open().await;
    assert_eq!(client.ask("hello").await, "hello");
    assert_eq!(client.close(4001, "enough").await, (4001, "enough".to_owned()));
    let end = stage.witness.obituary(id).await;
    assert_eq!((end.code, end.reason.as_str(), end.cause.as_str()), (4001, "enough", "client"));
    assert!(end.clean && !end.fresh, "{end:?}");
    let (client, id) = stage.open().await;
    client.vanish();
    assert_eq!(stage.witness.obituary(id).await.code, 1006);
    stage.server.until_metric(&format!("socklet_plugin_traps_total{{reason=\"{reason}\"}}"), 2.0).await;
    stage.others_go_on().await;
}
