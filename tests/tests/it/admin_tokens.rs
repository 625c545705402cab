//! Who may use the admin API, and for what: tokens with roles and tenants, and the audit log.

use rustix::process::Signal;
use serde_json::{Value, json};
use socklet_tests::{Process, guest, marked, replace};
use std::{fs, os::unix::fs::PermissionsExt};

const ALONE: &str = "0123456789-token-of-the-owner";
const WATCH: &str = "0123456789-token-that-may-look";
const ACME: &str = "0123456789-token-of-acme-to-write";
const EYES: &str = "0123456789-token-of-acme-to-read";

const CONFIG: &str = r#"
    [[route]]
    tenant = "acme"
    path = "/acme"
    behavior = "own"
    [[route]]
    tenant = "acme"
    path = "/shared"
    behavior = "shared"
    [[route]]
    tenant = "other"
    path = "/other"
    behavior = "shared"
    [plugin.own]
    source = "guest:versioned"
    settings = { version = "own" }
    [plugin.shared]
    source = "guest:reporter"
    [admin]
    bind = "127.0.0.1:0"
    token_file = "token"
    tokens_file = "tokens.toml"
    uploads_dir = "uploads"
"#;

fn hash(token: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{:x}", Sha256::digest(token))
}

fn tokens() -> String {
    let token = |name: &str, token: &str, role: &str, more: &str| {
        format!("[[token]]\nname = \"{name}\"\nhash = \"{}\"\nrole = \"{role}\"\n{more}\n", hash(token))
    };
    token("watch", WATCH, "read", "")
        + &token("acme-platform", ACME, "write", "tenant = \"acme\"")
        + &token("acme-eyes", EYES, "read", "tenant = \"acme\"")
}

async fn start() -> Process {
    let folder = tempfile::tempdir().unwrap();
    replace(folder.path(), "token", ALONE);
    replace(folder.path(), "tokens.toml", &tokens());
    Process::start_in(folder, CONFIG).await
}

async fn status(server: &Process, token: &str, line: &str) -> u16 {
    server.api(token, line, "", b"").await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_look_may_not_change() {
    let server = start().await;
    for (line, looks) in [
        ("GET /v1/status", true),
        ("GET /v1/plugins", true),
        ("GET /v1/connections", true),
        ("POST /v1/reload", false),
        ("POST /v1/plugins/own/rollback", false),
        ("PUT /v1/tenants/acme/plugins/own", false),
        ("DELETE /v1/connections/1", false),
        ("PATCH /v1/routes/acme/acme", false),
    ] {
        let (status, problem) = server.api(WATCH, line, "", b"").await;
        assert_eq!(status, if looks { 200 } else { 403 }, "{line}");
        if !looks {
            assert_eq!(problem["type"], "urn:socklet:problem:read-only");
            assert!(problem["detail"].as_str().unwrap().contains("role = \"write\""), "{problem}");
        }
    }
    assert_eq!(status(&server, ALONE, "POST /v1/reload").await, 200);
    let log = server.terminate().await.1;
    assert!(log.contains("audit: asked by an operator who=\"watch\""), "{log}");
    for secret in [ALONE, WATCH, &hash(WATCH)] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_tenant_knows_of_nothing_else() {
    let server = start().await;
    let (mut own, mut foreign) = (server.open("/acme").await, server.open("/other").await);
    own.ask("a").await;
    let of_other = foreign.command("me").await.as_u64().unwrap();
    let page = server.api(ACME, "GET /v1/connections", "", b"").await.1;
    let own_id = page["connections"][0]["id"].as_u64().unwrap();
    assert_eq!((page["connections"].as_array().unwrap().len(), &page["connections"][0]["tenant"]), (1, &json!("acme")));

    // What belongs to others is not there, and looks just like what there never was.
    let unknown = server.api(ACME, "GET /v1/connections/1", "", b"").await;
    let hidden = server.api(ACME, &format!("GET /v1/connections/{of_other}"), "", b"").await;
    assert_eq!(
        unknown.1["detail"].as_str().unwrap().replace(" 1", ""),
        hidden.1["detail"].as_str().unwrap().replace(&format!(" {of_other}"), "")
    );
    for line in [
        format!("DELETE /v1/connections/{of_other}"),
        format!("POST /v1/connections/{of_other}/messages"),
        "GET /v1/routes/other/other".into(),
        "PATCH /v1/routes/other/other".into(),
        "POST /v1/routes/other/other/messages".into(),
        "GET /v1/tenants/other".into(),
        "GET /v1/tenants/other/plugins".into(),
        "GET /v1/tenants/acme/plugins/shared".into(),
        "PUT /v1/tenants/acme/plugins/shared".into(),
        "GET /v1/events?tenant=other".into(),
        // And the node is none of its business.
        "GET /v1/plugins".into(),
        "GET /v1/plugins/own".into(),
        "POST /v1/plugins/own/swap".into(),
        "POST /v1/plugins/own/rollback".into(),
        "POST /v1/reload".into(),
    ] {
        assert_eq!(status(&server, ACME, &line).await, 404, "{line}");
        // Whoever may not change anything is told that, whether or not there is something to change.
        let of_a_path = line.starts_with("GET") || !line.contains("/connections/") && !line.contains("/plugins/shared");
        assert_eq!(status(&server, EYES, &line).await, if of_a_path { 404 } else { 403 }, "{line}");
    }
    for (list, path) in [
        ("connections", "/v1/connections?tenant=other"),
        ("routes", "/v1/routes?tenant=other"),
        ("usage", "/v1/usage?tenant=other"),
    ] {
        let (status, page) = server.api(ACME, &format!("GET {path}"), "", b"").await;
        assert_eq!((status, page[list].as_array().unwrap().len()), (200, 0), "{path}");
    }
    let (_, tenants) = server.api(ACME, "GET /v1/tenants", "", b"").await;
    assert_eq!((tenants["tenants"].as_array().unwrap().len(), &tenants["tenants"][0]["name"]), (1, &json!("acme")));
    let (_, shown) = server.api(ACME, "GET /v1/status", "", b"").await;
    let counts = ["connections", "tenants", "routes", "plugins"].map(|name| shown[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 2, 1], "{shown}");
    let (_, plugins) = server.api(ACME, "GET /v1/tenants/acme/plugins", "", b"").await;
    assert_eq!((plugins["plugins"].as_array().unwrap().len(), &plugins["plugins"][0]["name"]), (1, &json!("own")));

    // Whoever sees everything is told why this is not done.
    let (answered, problem) = server.api(ALONE, "PUT /v1/tenants/acme/plugins/shared", "", b"").await;
    assert_eq!(
        (answered, &problem["detail"]),
        (409, &json!("other tenants have the plugin shared, too: use /v1/plugins/shared"))
    );

    let (status, sent) = server.api(ACME, "POST /v1/routes/acme/acme/messages", "text/plain", b"hello").await;
    assert_eq!((status, &sent["accepted"]), (200, &json!(1)));
    own.expect_text("hello").await;
    let component = marked(&guest("versioned"), 1);
    let (status, changed) = server.api(ACME, "PUT /v1/tenants/acme/plugins/own", "application/wasm", &component).await;
    assert_eq!(
        (status, &changed["changed"], &changed["version"]["version"]),
        (200, &json!(true), &json!(2)),
        "{changed}"
    );
    assert_eq!(server.api(EYES, "PUT /v1/tenants/acme/plugins/own", "application/wasm", &component).await.0, 403);
    assert_eq!(server.api(ACME, &format!("DELETE /v1/connections/{own_id}"), "", b"").await.0, 200);
    own.expect_close(1001).await;
    assert_eq!(foreign.ask("echo untouched").await, "untouched");
    let log = server.terminate().await.1;
    let line = log.lines().find(|line| line.contains("what=\"uploadPlugin\"") && line.contains("outcome=\"done\""));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    for part in ["audit: ", "who=\"acme-platform\"", "from=127.0.0.1:", "on=\"acme/own\"", "version 2, sha256:"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_change_with_a_reload() {
    let server = start().await;
    assert_eq!(status(&server, WATCH, "GET /v1/status").await, 200);
    let new = "a-new-token-that-may-look";
    replace(
        server.folder(),
        "tokens.toml",
        &format!("[[token]]\nname = \"watch\"\ntoken = \"{new}\"\nrole = \"read\"\n"),
    );
    assert_eq!(status(&server, WATCH, "GET /v1/status").await, 200, "not yet");
    server.reload("ok").await;
    for (token, expected) in [(WATCH, 401), (ACME, 401), (new, 200), (ALONE, 200)] {
        assert_eq!(status(&server, token, "GET /v1/status").await, expected);
    }
    // A file with a mistake changes nothing, and the mistake is told without what it is about.
    replace(server.folder(), "tokens.toml", &format!("[[token]]\nname = \"a\"\ntoken = \"{new}\"\nrole = \"raed\"\n"));
    server.signal(Signal::HUP);
    let log = server.until_log("tokens.toml:4: expected `read` or `write`").await;
    assert!(log.contains("admin.tokens_file") && !log.contains(new), "{log}");
    assert_eq!(status(&server, new, "GET /v1/status").await, 200);
    fs::set_permissions(server.folder().join("tokens.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    server.reload("failed").await;
    server.until_log("others than its owner can read or write").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_a_target_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n\
        [admin]\nbind = 'unix:admin.sock'\n[log]\nlevel = 'off,audit=info'\nformat = 'json'\n";
    let server = Process::start_in(folder, config).await;
    let mut client = server.open("/").await;
    let id = client.command("me").await.to_string();
    assert_eq!(server.command(&["conn", "send", &id, "a secret of two"]).await.0, 0);
    assert_eq!(server.command(&["route", "send", "default/root", "x", "--topic", "news"]).await.0, 0);
    assert_eq!(server.command(&["conn", "close", "17"]).await.0, 1);
    assert_eq!(server.command(&["conn", "ls"]).await.0, 0, "who looks leaves no line");
    let log = server.terminate().await.1;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let user = lines[0]["who"].as_str().unwrap();
    assert!(user.starts_with("user "), "{log}");
    let told: Vec<_> = lines
        .iter()
        .map(|line| ["target", "what", "on", "details", "outcome"].map(|name| line[name].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        told,
        [
            ["audit", "sendToConnection", id.as_str(), "15 bytes", "done"],
            ["audit", "publish", concat!("default/root", "/news"), "1 bytes", "done"],
            ["audit", "closeConnection", "17", "-", "refused: there is no connection 17"],
        ]
    );
    assert!(!log.contains("a secret of two"), "{log}");
}
