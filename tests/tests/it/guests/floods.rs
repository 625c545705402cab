//! Guests that write without end: to the log, to a client, to everybody.

use super::stage::Stage;
use socklet_tests::{Process, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn flood_log() {
    let server = Process::start(
        "[[route]]\ndefault = true\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:flood_log'\ntimeout = '60s'\n",
    )
    .await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("go").await, "done");
    drop(client);
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    let lines: Vec<_> = log.lines().filter(|line| line.contains("socklet::guest")).collect();
    assert!(lines.len() > 10 && lines.len() < 20_000, "{} of 100,000 lines", lines.len());
    assert!(lines.iter().any(|line| line.contains("too many lines")), "it says that there were more");
    for line in log.lines() {
        assert!(!line.starts_with("forged") && !line.contains(['\x1b', '\0', '\x07']), "{line:?}");
        assert!(line.len() < 5_000, "{} bytes in a line", line.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn flood_send() {
    let mut stage = Stage::new("flood_send", "timeout = \"10s\"").await;
    let (mut client, id) = stage.open().await;
    client.send("flood").await;
    let (code, reason) = client.closed_after_messages().await;
    assert_eq!((code, reason.as_str()), (1013, "reading too slowly"));
    let end = stage.witness.obituary(id).await;
    assert_eq!((end.code, end.cause.as_str(), end.fresh), (1013, "slow-consumer", false));
    // 16 messages of 64 KiB fill the queue; what was written meanwhile makes room for more.
    assert!((15..1024).contains(&end.messages_sent), "{end:?}");
    assert_eq!(stage.server.metric("socklet_slow_consumers_total").await, 1.0);
    stage.others_go_on().await;

    // To everybody, a witness included: so there is none, and the calls are counted.
    let server = Server::plugin("guest:flood_send", "").await;
    let mut attacker = server.open("/").await;
    let mut beside = server.open("/").await;
    // A 101 comes before `on-open`: an answer says that messages to everybody go to this one too.
    assert_eq!(beside.ask("there?").await, "there?");
    attacker.send("flood-all").await;
    let (attacked, reached) = tokio::join!(attacker.closed_after_messages(), beside.closed_after_messages());
    assert!(matches!(attacked.0, 1011 | 1013), "{attacked:?}");
    assert_eq!(reached.0, 1013);
    server.until_metric("socklet_plugin_calls_total{hook=\"on-close\"}", 2.0).await;
    assert_eq!(server.metric("socklet_plugin_calls_total{hook=\"on-open\"}").await, 2.0);
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 1.0);
    assert_eq!(server.open("/").await.ask("next").await, "next");
}
