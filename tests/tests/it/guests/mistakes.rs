//! The guest with a mistake that one client alone never meets.

use socklet_tests::{Server, command, finished, repository};

/// A mistake that is found by `socklet test`, as the guide tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn digest() {
    let mut command = command(&["test", "tests/guests/tests/digest.toml"], repository());
    command.env("XDG_CACHE_HOME", socklet_tests::target());
    let (code, out, err) = finished(command).await;
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let guide = std::fs::read_to_string(repository().join("host/docs/testing.md")).unwrap();
    let told = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(told(&guide).contains(&told(&out)), "host/docs/testing.md does not show this:\n{out}");

    // Behind a server it is the same.
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'digest'\ninstance = 'shared'\n[plugin.digest]\nsource = 'guest:digest'\n",
    )
    .await;
    let (mut ada, mut bob) = (server.open("/").await, server.open("/").await);
    for text in ["one", "two"] {
        ada.send(text).await;
    }
    assert_eq!(ada.ask("three").await, "one, two, three");
    for text in ["four", "five"] {
        bob.send(text).await;
    }
    assert_eq!(bob.ask("six").await, "four, five, six");
}
