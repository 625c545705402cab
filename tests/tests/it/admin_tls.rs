//! The admin API by TLS: curl and the commands show certificates, and files change while it runs.

use socklet_tests::{Authority, Process, command, finished, replace};
use std::process::Stdio;
use tokio::process::Command;

const TOKEN: &str = "0123456789-token-of-the-owner";

const PEOPLE: &str = r#"
    [[certificate]]
    name = "deployer"
    subject = "CN=deployer"
    role = "write"
    [[certificate]]
    name = "acme-eyes"
    san = "URI:spiffe://example/acme"
    role = "read"
    tenant = "acme"
"#;

/// A server with its own certificate in `a.pem`, and those of clients in `deployer.pem`, `acme.pem`, `stranger.pem` and `fake.pem`.
async fn serve(authority: &Authority, client_auth: &str) -> Process {
    let folder = tempfile::tempdir().unwrap();
    authority.issue(&["localhost", "127.0.0.1"]).write(folder.path(), "a");
    authority.request(&[]).common_name("deployer").issue().write(folder.path(), "deployer");
    authority.request(&[]).common_name("any").uri("spiffe://example/acme").issue().write(folder.path(), "acme");
    authority.request(&[]).common_name("stranger").issue().write(folder.path(), "stranger");
    Authority::new("another").request(&[]).common_name("deployer").issue().write(folder.path(), "fake");
    for (name, text) in [("ca.pem", &*authority.pem()), ("token", TOKEN), ("people.toml", PEOPLE)] {
        replace(folder.path(), name, text);
    }
    let config = format!(
        r#"
        [[route]]
        tenant = "acme"
        path = "/"
        behavior = "echo"
        [plugin.echo]
        source = "stock:echo"
        [admin]
        bind = "127.0.0.1:0"
        token_file = "token"
        tokens_file = "people.toml"
        [admin.tls]
        cert = "a.pem"
        key = "a.key"
        client_ca = "ca.pem"
        client_auth = "{client_auth}"
        "#
    );
    Process::start_in(folder, &config).await
}

/// What curl gets: the status (0 where there is no answer) and the body.
async fn curl(server: &Process, path: &str, arguments: &[&str]) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--cacert", "ca.pem", "--max-time", "30", "--write-out", "\n%{http_code}"]);
    curl.args(arguments).arg(format!("{}{path}", server.admin())).current_dir(server.folder()).stdin(Stdio::null());
    let (_, out, _) = finished(curl).await;
    let (body, status) = out.rsplit_once('\n').expect("curl writes the status");
    (status.parse().expect("a status is a number"), body.to_owned())
}

fn showing(name: &str) -> [String; 4] {
    ["--cert".to_owned(), format!("{name}.pem"), "--key".to_owned(), format!("{name}.key")]
}

async fn curl_showing(server: &Process, path: &str, name: &str, more: &[&str]) -> (u16, String) {
    let shown = showing(name);
    let arguments: Vec<_> = shown.iter().map(String::as_str).chain(more.iter().copied()).collect();
    curl(server, path, &arguments).await
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_token() {
    let server = serve(&Authority::new("admin"), "optional").await;
    assert!(server.admin().starts_with("https://"), "{}", server.admin());
    let (status, body) = curl_showing(&server, "/v1/routes/acme/root", "deployer", &[]).await;
    assert_eq!(status, 200, "{body}");
    let change = ["--request", "PATCH", "--json", r#"{"heartbeat":{"interval":"9s"}}"#];
    assert_eq!(curl_showing(&server, "/v1/routes/acme/root", "deployer", &change).await.0, 200);
    server.until_log("who=\"deployer\"").await;
    assert_eq!(curl_showing(&server, "/v1/routes/acme/root", "acme", &[]).await.0, 200);
    assert_eq!(curl_showing(&server, "/v1/routes/acme/root", "acme", &change).await.0, 403, "it may only look");
    assert_eq!(curl_showing(&server, "/v1/listeners", "acme", &[]).await.0, 404, "it sees its tenant alone");
    let (status, body) = curl_showing(&server, "/v1/status", "stranger", &[]).await;
    assert_eq!((status, body.contains("unknown-certificate")), (401, true), "{body}");
    assert_eq!(curl_showing(&server, "/v1/status", "fake", &[]).await.0, 0, "nobody whom we know has signed it");
    assert_eq!(curl(&server, "/v1/status", &[]).await.0, 401);
    let bearer = format!("authorization: Bearer {TOKEN}");
    assert_eq!(curl(&server, "/v1/status", &["--header", &bearer]).await.0, 200);
    assert_eq!(curl_showing(&server, "/v1/status", "stranger", &["--header", &bearer]).await.0, 200);
    let wrong = ["--header", "authorization: Bearer 0123456789-wrong"];
    assert_eq!(curl_showing(&server, "/v1/status", "deployer", &wrong).await.0, 401, "what is shown has to be right");
}

#[tokio::test]
async fn where_certificates_are_required_nobody_is_served_without() {
    let server = serve(&Authority::new("admin"), "required").await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    assert_eq!(curl(&server, "/v1/status", &["--header", &bearer]).await.0, 0);
    assert_eq!(curl_showing(&server, "/v1/status", "stranger", &["--header", &bearer]).await.0, 200);
    let plain = server.admin().replace("https://", "http://");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "30", &plain]).stdin(Stdio::null());
    assert_ne!(finished(curl).await.0, 0, "it speaks TLS and nothing else");
}

#[tokio::test]
async fn commands_find_the_server_and_know_it() {
    let authority = Authority::new("admin");
    let server = serve(&authority, "optional").await;
    let run = async |arguments: &[&str]| finished(command(arguments, server.folder())).await;
    let admin = server.admin();
    // By the address: the name counts, and who has signed it.
    let (code, out, err) = run(&["status", "--admin", admin, "--ca", "ca.pem", "--token-file", "token"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let shown = ["status", "--admin", admin, "--ca", "ca.pem", "--cert", "deployer.pem", "--key", "deployer.key"];
    let (code, out, err) = run(&shown).await;
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = run(&["status", "--admin", admin, "--token-file", "token"]).await;
    assert_eq!((code, err.contains("handshake")), (1, true), "this machine does not trust it: {err}");
    let (code, _, err) = run(&["status", "--admin", admin, "--ca", "deployer.pem", "--token-file", "token"]).await;
    assert_eq!((code, err.contains("handshake")), (1, true), "{err}");
    let (code, _, err) = run(&["status", "--admin", admin, "--ca", "ca.pem", "--cert", "acme.pem"]).await;
    assert_eq!((code, err.contains("--key")), (2, true), "{err}");
    // By the configuration: it is that very certificate.
    let config = std::fs::read_to_string(server.folder().join("socklet.toml")).unwrap();
    let address = admin.strip_prefix("https://").unwrap();
    let section = config.find("[admin]").unwrap();
    let pinned = config[..section].to_owned() + &config[section..].replacen("127.0.0.1:0", address, 1);
    replace(server.folder(), "pinned.toml", &pinned);
    let (code, out, err) = run(&["status", "--config", "pinned.toml"]).await;
    assert_eq!(code, 0, "{out}{err}");
    authority.issue(&["127.0.0.1"]).write(server.folder(), "a");
    let (code, _, err) = run(&["status", "--config", "pinned.toml"]).await;
    assert_eq!((code, err.contains("handshake")), (1, true), "it does not show that one yet: {err}");
    let (code, out, err) = run(&["reload", "--admin", admin, "--ca", "ca.pem", "--token-file", "token"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = run(&["status", "--config", "pinned.toml"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let metrics = server.metrics().await;
    assert!(metrics.text().contains("socklet_tls_certificate_not_after_timestamp_seconds{listener=\"[admin]\""));
}

#[tokio::test]
async fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new("admin").issue(&["localhost"]).write(folder.path(), "a");
    replace(folder.path(), "people.toml", PEOPLE);
    let admin = "[admin]\ntokens_file = \"people.toml\"\n";
    for (text, told) in [
        (
            format!("{admin}bind = \"127.0.0.1:0\"\n[admin.tls]\ncert = \"a.pem\"\nkey = \"a.key\""),
            "clients are not asked for the certificates in it; write client_auth and client_ca in [admin.tls]",
        ),
        (
            format!("{admin}bind = \"127.0.0.1:0\""),
            "clients are not asked for the certificates in it; write client_auth and client_ca in [admin.tls]",
        ),
        (
            "[admin]\nbind = \"unix:s\"\n[admin.tls]\ncert = \"a.pem\"\nkey = \"a.key\"".to_owned(),
            "TLS is for an address and port; a unix: path is for this machine's user alone",
        ),
        ("[admin]\nbind = \"unix:s\"\n[admin.tls]\ncert = \"a.pem\"".to_owned(), "there is no key"),
        ("[admin.tls]\ncert = \"a.pem\"\nkey = \"a.key\"".to_owned(), "there is nothing to secure: write bind, too"),
    ] {
        replace(folder.path(), "socklet.toml", &text);
        let (code, out, err) = finished(command(&["check"], folder.path())).await;
        assert_eq!((code, format!("{out}{err}").contains(told)), (64, true), "{text}: {out}{err}");
    }
}
