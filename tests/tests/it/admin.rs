//! The admin API, and the commands that speak to it.

use serde_json::{Value, json};
use socklet_tests::{Process, command, finished, guest, marked, replace};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const TOKEN: &str = "0123456789-a-secret-of-operators";

fn config(admin: &str) -> String {
    format!(
        r#"
        [[route]]
        default = true
        behavior = "main"
        [plugin.main]
        source = "guest:versioned"
        settings = {{ version = "one" }}
        [admin]
        {admin}
        "#
    )
}

fn token(folder: &Path, token: &str) -> String {
    replace(folder, "token", &format!("{token}\n"));
    folder.join("token").to_str().unwrap().to_owned()
}

/// A server with an address, a port that the system chooses, and a token.
async fn with_token() -> Process {
    let folder = tempfile::tempdir().unwrap();
    token(folder.path(), TOKEN);
    Process::start_in(folder, &config("bind = \"127.0.0.1:0\"\ntoken_file = \"token\"")).await
}

async fn with_socket() -> Process {
    Process::start(&config("bind = \"unix:admin.sock\"")).await
}

/// Another component that does the same.
fn other(server: &Process, mark: u8) -> String {
    let path = server.folder().join("other.wasm");
    fs::write(&path, marked(&guest("versioned"), mark)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn error(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_swap_and_roll_back_over_a_unix_socket() {
    let server = with_socket().await;
    let socket = server.folder().join("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");

    let (code, out, err) = server.command(&["plugin", "swap", "main", &other(&server, 1)]).await;
    assert_eq!((code, out.as_str()), (0, "main: version 2, on trial\n"), "{err}");
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 1.0).await;
    assert_eq!(client.ask("b").await, "one 2", "the settings are what they were");
    let (code, out, _) = server.command(&["plugin", "swap", "main", &other(&server, 1)]).await;
    assert_eq!((code, out.as_str()), (0, "main: unchanged, version 2\n"));

    let (code, out, _) = server.command(&["plugin", "ls"]).await;
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(code, 0);
    assert_eq!(lines[0], ["PLUGIN", "KIND", "VERSION", "ROLE", "LIVE", "HIBERNATED", "DIGEST"]);
    assert_eq!(lines[1][..6], ["main", "behavior", "2", "trial", "1", "0"], "{out}");
    assert_eq!(lines[2][..6], ["main", "behavior", "1", "before", "0", "0"], "{out}");
    let admin = format!("unix:{}", socket.display());
    let (code, out, _) = server.command(&["plugin", "ls", "--json", "--admin", &admin]).await;
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &list["plugins"][0]["versions"][0]["role"]), (0, &json!("trial")), "{out}");

    let (code, out, _) = server.command(&["plugin", "rollback", "main", "--admin", socket.to_str().unwrap()]).await;
    assert_eq!((code, out.as_str()), (0, "main: version 1\n"));
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 2.0).await;
    assert_eq!(client.ask("c").await, "one 3");
    let (code, out, _) = server.command(&["plugin", "rollback", "main"]).await;
    assert_eq!((code, out.as_str()), (0, "main: version 2\n"), "there and back again");

    // What was sent is not configured: it is gone with a reload.
    let (code, out, _) = server.command(&["reload"]).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "reloaded, generation 2\nplugin  changed  main: component; version 3, on trial\n")
    );
    let (code, out, _) = server.command(&["reload"]).await;
    assert_eq!((code, out.as_str()), (0, "reloaded, nothing was changed\n"));

    let (code, log) = server.terminate().await;
    assert!(!socket.exists());
    assert_eq!(code, Some(0));
    let audited = |line: &&str| line.contains(" audit: asked by an operator who=\"user ");
    assert_eq!(log.lines().filter(audited).count(), 6, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_its_trial_is_seen() {
    let server = with_socket().await;
    let dying =
        config("bind = \"unix:admin.sock\"").replace("version = \"one\"", "version = \"two\", dies = \"message\"");
    let mut client = server.open("/").await;
    client.ask("a").await;
    server.reload_with(&dying).await;
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 1.0).await;
    assert_eq!(client.ask("b").await, "one 2", "nobody notices");
    server.until_metric("socklet_plugin_swaps_total{outcome=\"failed-trial\"}", 1.0).await;
    let (_, out, _) = server.command(&["plugin", "ls"]).await;
    assert!(out.lines().count() == 2 && out.contains("current"), "{out}");
    server.until_log("the new version of a plugin fails").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_changes_nothing_and_says_why() {
    let server = with_socket().await;
    let mut client = server.open("/").await;
    for (name, said) in
        [("start_trap", "cannot be started"), ("no_exports", "exports"), ("auth_versioned", "give it another name")]
    {
        let file = guest(name);
        let (code, out, err) = server.command(&["plugin", "swap", "main", file.to_str().unwrap()]).await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.starts_with("socklet: ") && err.contains(said), "{err}");
    }
    let answer = server.ask_admin("POST /v1/plugins/main/swap", "", b"not a component").await;
    assert_eq!((answer.status, answer.header("content-type")), (422, "application/problem+json"));
    assert!(error(&answer.body).starts_with("not a component"), "{}", answer.body);
    let (code, _, err) = server.command(&["plugin", "rollback", "main"]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: the plugin has no version to go back to\n"));
    assert_eq!(server.ask_admin("POST /v1/plugins/main/rollback", "", b"").await.status, 409);
    let (code, _, err) = server.command(&["plugin", "swap", "moon", &other(&server, 1)]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no plugin moon\n"));
    let (code, _, err) = server.command(&["plugin", "swap", "main", "nowhere.wasm"]).await;
    assert!(code == 1 && err.starts_with("socklet: failed to read nowhere.wasm: "), "{err}");
    assert_eq!(server.command(&["plugin", "swap", "Not a name", "a.wasm"]).await.0, 2);

    server.configure(&config("bind = \"unix:admin.sock\"\n[log]\nformat = \"json\""));
    let (code, _, err) = server.command(&["reload"]).await;
    assert!(code == 1 && err.contains("log.format was changed, which needs a restart"), "{err}");
    let answer = server.ask_admin("POST /v1/reload", "", b"").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, body["problems"].as_array().unwrap().len()), (409, 1), "{body}");
    server.configure(&config("bind = \"unix:admin.sock\"\n[drain]\ntimeuot = \"1s\""));
    let (code, _, err) = server.command(&["reload"]).await;
    assert!(code == 64 && err.contains("drain.timeuot: unknown key"), "{err}");
    assert_eq!(server.ask_admin("POST /v1/reload", "", b"").await.status, 422);

    assert_eq!(client.ask("a").await, "one 1");
    assert_eq!(server.metric("socklet_plugin_version{plugin=\"main\"}").await, 1.0);
    assert_eq!(server.metric("socklet_plugin_swaps_total{outcome=\"refused\"}").await, 4.0);
    assert_eq!(server.metric("socklet_config_reloads_total{outcome=\"failed\"}").await, 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_plugin_takes_no_other_component() {
    let server = with_socket().await;
    let plugin: Value = serde_json::from_str(&server.ask_admin("GET /v1/plugins/main", "", b"").await.body).unwrap();
    let pin = format!("digest = {}\nsettings", plugin["versions"][0]["digest"]);
    server.reload_with(&config("bind = \"unix:admin.sock\"").replace("settings", &pin)).await;
    let (code, _, err) = server.command(&["plugin", "swap", "main", &other(&server, 1)]).await;
    assert!(code == 1 && err.contains("the configuration says sha256:"), "{err}");
    assert_eq!(server.metric("socklet_plugin_version{plugin=\"main\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_needs_the_token() {
    let server = with_token().await;
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    for (head, challenge) in [
        ("", "Bearer realm=\"socklet\""),
        (
            "authorization: Bearer 0123456789-a-secret-of-nobody-at-all\r\n",
            "Bearer realm=\"socklet\", error=\"invalid_token\"",
        ),
        ("authorization: Basic 0123456789\r\n", "Bearer realm=\"socklet\", error=\"invalid_token\""),
    ] {
        for line in ["GET /v1/plugins", "POST /v1/plugins/main/rollback", "POST /v1/reload", "DELETE /v1"] {
            let answer = server.ask_admin(line, head, b"").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, challenge), "{line}");
            assert!(!answer.body.contains("secret"), "{}", answer.body);
        }
    }
    // Also when it comes with much that nobody reads.
    assert_eq!(server.ask_admin("POST /v1/plugins/main/swap", "", &vec![0; 4 << 20]).await.status, 401);
    let answer = server.ask_admin("GET /v1/plugins/main", &bearer, b"").await;
    let plugin: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &plugin["name"], &plugin["kind"]), (200, &json!("main"), &json!("behavior")));
    assert_eq!(plugin["versions"][0]["version"], 1);

    let file = server.folder().join("token");
    let with_token = ["--admin", server.admin(), "--token-file", file.to_str().unwrap()];
    let (code, out, err) =
        server.command(&[&["plugin", "swap", "main", &other(&server, 1)][..], &with_token].concat()).await;
    assert_eq!((code, out.as_str()), (0, "main: version 2, on trial\n"), "{err}");
    let (code, _, err) = server.command(&["plugin", "ls", "--admin", server.admin()]).await;
    assert!(code == 1 && err.contains("needs a token"), "{err}");
    token(server.folder(), "another-secret-of-operators");
    let (code, _, err) =
        server.command(&[&["plugin", "swap", "main", &other(&server, 2)][..], &with_token].concat()).await;
    assert!(code == 1 && err.contains("refuses the token") && !err.contains("secret"), "{err}");
    let log = server.terminate().await.1;
    assert!(log.contains("without the right token") && !log.contains("secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_not_right_have_their_status() {
    let server = with_socket().await;
    for (line, status) in [
        ("GET /v2/plugins", 404),
        ("GET /v1/plugins/", 404),
        ("GET /v1/plugins/moon", 404),
        ("POST /v1/plugins/moon/swap", 404),
        ("POST /v1/plugins/moon/rollback", 404),
        ("POST /v1/plugins/%00/swap", 404),
        ("POST /v1/plugins/main/paint", 404),
        ("POST /v1/tenants/default/plugins/main/swap", 404),
        ("GET /v1/tenants/moon", 404),
        ("POST /v1/tenants/No%20Name/reload", 404),
        ("GET /v1/listeners/moon", 404),
        ("POST /v1/listeners/moon/stop", 404),
        ("POST /v1/reload?dry-run=yes", 400),
    ] {
        assert_eq!(server.ask_admin(line, "", b"").await.status, status, "{line}");
    }
    for (line, allowed) in [
        ("POST /v1/plugins", "GET, HEAD"),
        ("GET /v1/plugins/main/swap", "POST"),
        ("GET /v1/reload", "POST"),
        ("POST /v1/listeners", "GET, HEAD"),
        ("GET /v1/listeners/default/stop", "POST"),
        ("GET /v1/tenants/default/reload", "POST"),
    ] {
        let answer = server.ask_admin(line, "", b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{line}");
    }
    let answer = server.ask_admin("POST /v1/plugins/main/swap", "", &vec![0; (32 << 20) + 1]).await;
    assert_eq!(answer.status, 413);
    assert!(error(&answer.body).contains("at most 33554432 bytes"), "{}", answer.body);
    let public = server.get("/v1/plugins").await;
    assert_eq!(public.status, 426, "clients see nothing of it");
    assert_eq!(server.get_ops("/v1/plugins").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_where_they_looked() {
    let folder = tempfile::tempdir().unwrap();
    let socklet = async |arguments: &[&str]| finished(command(arguments, folder.path())).await;
    let write = |text: &str| fs::write(folder.path().join("socklet.toml"), text).unwrap();
    let (code, _, err) = socklet(&["plugin", "ls"]).await;
    assert!(code == 64 && err.starts_with("socklet.toml: "), "{err}");
    write("[drain]\n");
    let (code, _, err) = socklet(&["plugin", "ls"]).await;
    assert!(code == 64 && err.contains("this server has no admin API"), "{err}");
    // Only that section counts: a file that somebody is writing does not keep a command from its server.
    write("[admin]\nbind = \"unix:admin.sock\"\n[nonsense]\n");
    let (code, _, err) = socklet(&["reload"]).await;
    assert!(code == 1 && err.contains("failed to reach a server at unix:") && err.contains("admin.sock"), "{err}");
    write("[admin]\nbind = \"127.0.0.1:1\"\n");
    let (code, _, err) = socklet(&["reload", "--config", "socklet.toml"]).await;
    assert!(code == 64 && err.contains("admin.bind = \"127.0.0.1:1\": an address needs a token_file"), "{err}");
    let (code, _, err) = socklet(&["reload", "--admin", "http://127.0.0.1:1"]).await;
    assert!(code == 1 && err.contains("failed to reach a server at http://127.0.0.1:1"), "{err}");
    for arguments in [&["plugin"][..], &["reload", "--admin", "nowhere"], &["reload", "--admin", "/a", "--config", "b"]]
    {
        assert_eq!(socklet(arguments).await.0, 2, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_shown_with_why_its_instance_is_awake() {
    let server = with_socket().await;
    let observer = server.observe("/").await;
    let _client = server.open("/").await;
    let id = observer.birth().await.to_string();
    let (code, shown, complaint) = server.command(&["conn", "show", &id]).await;
    assert_eq!(code, 0, "{complaint}");
    assert!(shown.contains("plugin       main, version 1\ninstance     live\nawake        it was called"), "{shown}");
    let (code, shown, _) = server.command(&["conn", "show", &id, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["instance"]["state"]), (0, &json!("live")));
    let (code, _, complaint) = server.command(&["conn", "show", "1"]).await;
    assert!(code == 1 && complaint.contains("there is no connection 1"), "{code} {complaint}");
}
