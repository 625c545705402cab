//! The guest that sees frames.

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn frames() {
    let mut stage = Stage::new("frames", "").await;
    let (mut client, id) = stage.open().await;
    assert_eq!(client.ask("hello").await, "hello");
    client.ping(b"still pinged back").await;
    assert_eq!(client.close(4001, "enough").await, (4001, "enough".to_owned()));
    let end = stage.witness.obituary(id).await;
    assert_eq!((end.code, end.messages_received, end.messages_sent), (4001, 1, 1));
    stage.others_go_on().await;
}
