//! Authenticators: their verdicts, and every way not to give one. No failure lets anybody in.

use socklet_tests::Server;

/// `/` behind an authenticator, `/open` behind none.
async fn behind(guest: &str, more: &str) -> Server {
    Server::start(&format!(
        r#"
        [[route]]
        path = "/"
        authenticators = "auth"
        behavior = "main"
        [[route]]
        path = "/open"
        behavior = "main"
        [plugin.main]
        source = "guest:reporter"
        [plugin.auth]
        source = "guest:{guest}"
        {more}
        "#
    ))
    .await
}

/// Asks, and is refused with 500: nobody was let in, and others go on.
async fn fails(server: &Server, query: &str) {
    let opened = server.metric("socklet_connections_opened_total").await;
    let counted = server.metric("socklet_auth_total{outcome=\"failed\"}").await;
    let answer = server.at(&format!("/{query}")).answer().await;
    assert_eq!(answer.status, 500, "{query}");
    assert!(answer.body.starts_with("server error, event "), "{answer:?}");
    assert_eq!(server.metric("socklet_connections_opened_total").await, opened);
    assert_eq!(server.metric("socklet_auth_total{outcome=\"failed\"}").await, counted + 1.0);
    assert!(server.open("/open").await.command("me").await.is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn auth_grant() {
    let server = behind("auth_grant", "").await;
    let mut client = server.open("/?as=ada&attribute=role:admin&expires-in=3600").await;
    let principal = client.command("principal").await;
    assert_eq!(principal["subject"], "ada");
    assert_eq!(principal["attributes"], serde_json::json!([["role", "admin"]]));
    assert!(principal["expires_at"].as_u64().is_some_and(|at| at > 1_700_000_000), "{principal}");
    let denied = server.at("/?deny=403").answer().await;
    assert_eq!((denied.status, denied.header("www-authenticate"), &*denied.body), (403, "Test", "denied\n"));
    let abstained = server.at("/").answer().await;
    assert_eq!((abstained.status, &*abstained.body), (401, "authentication required\n"));
    for outcome in ["grant", "deny", "abstain"] {
        assert_eq!(server.metric(&format!("socklet_auth_total{{outcome=\"{outcome}\"}}")).await, 1.0, "{outcome}");
    }
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"denied\"}").await, 1.0);
    assert_eq!(server.metric("socklet_handshakes_total{outcome=\"unauthenticated\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn auth_trap() {
    let server = behind("auth_trap", "").await;
    fails(&server, "").await;
    assert_eq!(server.metric("socklet_plugin_traps_total{reason=\"trap\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn auth_spin() {
    let server = behind("auth_spin", "timeout = \"200ms\"").await;
    fails(&server, "").await;
    assert_eq!(server.metric("socklet_plugin_traps_total{reason=\"deadline\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn auth_bad() {
    let server = behind("auth_bad", "").await;
    for query in [
        "?status=101",
        "?status=200",
        "?status=302",
        "?status=600",
        "?subject=0",
        "?subject=256",
        "?attributes=16385",
        "?body=65537",
    ] {
        fails(&server, query).await;
    }
    assert_eq!(server.metric("socklet_plugin_traps_total{reason=\"invalid-answer\"}").await, 8.0);
    for query in ["?header=connection:close", "?header=x-a:b%0D%0Ac:d", "?header=content-length:1"] {
        assert_eq!(server.at(&format!("/{query}")).answer().await.status, 500, "{query}");
    }
    let mut client = server.open("/").await;
    assert_eq!(client.command("principal").await["subject"], "good");
    let mut client = server.open("/?subject=255").await;
    assert_eq!(client.command("principal").await["subject"].as_str().map(str::len), Some(255));
}
