//! Guests whose answers no plugin may give, and the one that does as it is told.

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn bad_code() {
    let mut stage = Stage::new("bad_code", "").await;
    for text in ["0", "999", "1002", "1004", "1005", "1006", "1015", "2000", "5000", "65535", "long"] {
        stage.dies(text, "invalid-answer").await;
    }
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
        // tungstenite does not know 1014.
        let mut client = stage.server.at("/guest").wire().await;
        let id = stage.born().await;
        client.frame(0x81, code.to_string().as_bytes()).await;
        client.expect_close(code).await;
        client.frame(0x88, &u16::to_be_bytes(code)).await;
        assert_eq!(client.next().await, None);
        let end = stage.witness.obituary(id).await;
        assert_eq!((end.code, end.cause.as_str(), end.clean, end.fresh), (code, "plugin", true, false));
    }
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn bad_upgrade() {
    let mut stage = Stage::new("bad_upgrade", "").await;
    for query in ["?status=0", "?status=101", "?status=199", "?status=600", "?body=65537"] {
        stage.upgrade_dies(query, "invalid-answer").await;
    }
    for query in [
        "?subprotocol=never-offered",
        "?header=connection:close",
        "?header=sec-websocket-extensions:permessage-deflate",
        "?header=sec-websocket-protocol:chat",
        "?header=x-a:b%0D%0Ax-c:d",
        "?header=x%20a:b",
        "?deny-header=content-length:5",
        "?deny-header=transfer-encoding:chunked",
        "?deny-header=x-a:%00",
    ] {
        stage.upgrade_fails(query).await;
    }
    let denied = stage.server.at("/guest?deny-header=x-fine:yes").answer().await;
    assert_eq!((denied.status, denied.header("x-fine")), (403, "yes"));
    let client = stage.server.open("/guest?header=x-fine:yes").await;
    stage.born().await;
    assert_eq!(client.header("x-fine"), "yes");
    client.close(1000, "").await;
    stage.others_go_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn reporter() {
    let mut stage = Stage::new("reporter", "").await;
    let (mut client, id) = stage.open().await;
    assert_eq!(client.command("me").await, id);
    assert!(client.command_error("no such thing").await.contains("unknown command"));
    client.send(vec![0, 255]).await;
    client.expect_binary(&[0, 255]).await;
    client.close(1000, "").await;
    let end = stage.witness.obituary(id).await;
    assert_eq!((end.messages_received, end.messages_sent), (3, 3));
    stage.others_go_on().await;
}
