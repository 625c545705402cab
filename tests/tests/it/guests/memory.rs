//! Guests that take memory, stack or handles without end, and those that forge memory.

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn exhaust_memory() {
    let mut stage = Stage::new("exhaust_memory", "timeout = \"10s\"\n[limits]\nmax_message_size = \"4MiB\"").await;
    let (mut client, id) = stage.open().await;
    let answer = client.ask("grow").await;
    let taken = answer.strip_prefix("refused after ").and_then(|rest| rest.strip_suffix(" MiB")).expect("an answer");
    let taken: u32 = taken.parse().expect("a number");
    assert!((48..64).contains(&taken), "{taken} of 64");
    let memory = stage.server.metric("socklet_plugin_memory_bytes").await;
    assert!(memory > 48.0 * 1048576.0, "{memory}");
    // It goes on with what it has, but there is no room for an argument of the host any more.
    assert_eq!(client.ask("small").await, "small");
    client.send("x".repeat(3 << 20)).await;
    stage.buried(client, id).await;
    assert_eq!(stage.traps("memory").await, 1.0);
    stage.server.until_metric("socklet_plugin_instances{state=\"live\"}", 3.0).await;
    let memory = stage.server.metric("socklet_plugin_memory_bytes").await;
    assert!(memory < 16.0 * 1048576.0, "{memory}");
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn recurse() {
    let mut stage = Stage::new("recurse", "").await;
    stage.dies("recurse", "stack").await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn leak_handles() {
    let mut stage = Stage::new("leak_handles", "").await;
    stage.dies("leak", "host-calls").await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn bad_memory() {
    let mut stage = Stage::new("bad_memory", "").await;
    for text in ["utf8", "bounds", "wrap"] {
        stage.dies(text, "trap").await;
    }
    stage.upgrade_dies("?aliased", "host-calls").await;
    stage.others_go_on().await;
}
