//! Guests that are refused at load: before anybody could connect, with what is wrong and what to do.

use socklet_tests::Server;

/// Loads a guest; the mistake names the line, and has these words.
async fn refused(guest: &str, words: &[&str]) {
    let config = format!("[[route]]\npath = \"/\"\nbehavior = \"main\"\n[plugin.main]\nsource = \"guest:{guest}\"\n");
    let mistake = Server::build(&config).await.expect_err("it is refused");
    assert!(mistake.starts_with("test.toml:5: plugin.main.source: "), "{mistake}");
    assert_eq!(mistake.matches("test.toml:").count(), 1, "one mistake: {mistake}");
    for word in words {
        assert!(mistake.contains(word), "{word:?} in {mistake}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn no_exports() {
    refused("no_exports", &["exports nothing", "behavior-plugin"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn wrong_version() {
    refused("wrong_version", &["socklet:plugin/behavior@0.2.0", "0.1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn wants_http() {
    refused(
        "wants_http",
        &["wasi:http/outgoing-handler", "write http = [\"https://HOST\"]", "in [plugin.main.grants]"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn initial_memory() {
    refused("initial_memory", &["memory", "memory_max"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn start_trap() {
    refused("start_trap", &["started", "unreachable"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn start_spin() {
    refused("start_spin", &["CPU time"]).await;
}
