//! Guests that tell their version, over real sockets.

use socklet_tests::Server;

async fn server(guest: &str) -> Server {
    Server::start(&format!(
        r#"
        [[route]]
        default = true
        behavior = "main"
        [plugin.main]
        source = "guest:{guest}"
        settings = {{ version = "one" }}
        "#
    ))
    .await
}

#[tokio::test]
pub(super) async fn versioned() {
    let server = server("versioned").await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");
}

#[tokio::test]
pub(super) async fn versioned_plain() {
    let server = server("versioned_plain").await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");
}

#[tokio::test]
pub(super) async fn auth_versioned() {}
