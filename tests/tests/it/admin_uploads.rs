//! Components that a platform sends: kept, found again after a restart, and undone.

use serde_json::{Value, json};
use socklet_tests::{Process, command, eventually, guest, marked};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

const CONFIG: &str = r#"
    [[route]]
    tenant = "acme"
    path = "/"
    behavior = "main"
    [plugin.main]
    source = "guest:versioned"
    settings = { version = "one" }
    [admin]
    bind = "unix:admin.sock"
    uploads_dir = "uploads"
"#;

const PLUGIN: &str = "/v1/tenants/acme/plugins/main";

fn component(mark: u8) -> Vec<u8> {
    marked(&guest("versioned"), mark)
}

fn digest(component: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{:x}", Sha256::digest(component))
}

async fn put(server: &Process, component: &[u8]) -> (u16, Value) {
    server.api("", &format!("PUT {PLUGIN}"), "application/wasm", component).await
}

async fn show(server: &Process) -> Value {
    server.api("", &format!("GET {PLUGIN}"), "", b"").await.1
}

/// The digest of the version that new connections get.
async fn current(server: &Process) -> String {
    let plugin = show(server).await;
    let versions = plugin["versions"].as_array().unwrap();
    let version = versions.iter().find(|version| version["role"] == "current" || version["role"] == "trial").unwrap();
    version["digest"].as_str().unwrap().to_owned()
}

/// Stops a server, and starts another one in the same folder.
async fn restart(server: Process, config: &str) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let kept = server.folder().join("uploads");
    let moved = folder.path().join("uploads");
    let copied = std::process::Command::new("cp").arg("-a").args([kept, moved]).status().unwrap();
    assert!(copied.success());
    assert_eq!(server.terminate().await.0, Some(0));
    Process::start_in(folder, config).await
}

fn blobs(server: &Process) -> Vec<PathBuf> {
    let mut blobs: Vec<_> =
        fs::read_dir(server.folder().join("uploads/blobs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    blobs.sort();
    blobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_survives_a_restart_and_a_reload_and_can_be_undone() {
    let server = Process::start(CONFIG).await;
    let configured = current(&server).await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");
    let first = component(1);
    let (status, changed) = put(&server, &first).await;
    assert_eq!(
        (status, &changed["changed"], &changed["version"]["digest"]),
        (200, &json!(true), &json!(digest(&first)))
    );
    assert_eq!(put(&server, &first).await.1["changed"], json!(false));
    let plugin = show(&server).await;
    assert_eq!(
        (&plugin["upload"]["digest"], plugin["upload"]["by"].as_str().unwrap().starts_with("user ")),
        (&json!(digest(&first)), true)
    );
    let (code, out, _) = server.command(&["reload"]).await;
    assert_eq!((code, out.as_str()), (0, "reloaded, nothing was changed\n"), "a reload knows of it");

    let server = restart(server, CONFIG).await;
    assert_eq!(current(&server).await, digest(&first));
    assert_eq!(server.open("/").await.ask("a").await, "one 1", "with the settings of the configuration");
    // The next two: the first one is not needed any more then.
    for mark in [2, 3] {
        assert_eq!(put(&server, &component(mark)).await.0, 200);
    }
    assert_eq!(blobs(&server).len(), 2, "the current one, and the one before");
    // A rollback is recorded, too.
    assert_eq!(server.command(&["plugin", "rollback", "main"]).await.0, 0);
    let server = restart(server, CONFIG).await;
    assert_eq!(current(&server).await, digest(&component(2)));
    assert_eq!(blobs(&server).len(), 1);

    let (code, out, err) = server.command(&["plugin", "reset", "main", "--tenant", "acme"]).await;
    assert_eq!((code, out.as_str()), (0, "main: version 2, on trial\n"), "{err}");
    assert_eq!((current(&server).await, &show(&server).await["upload"]), (configured.clone(), &Value::Null));
    let (code, out, _) = server.command(&["plugin", "reset", "main"]).await;
    assert_eq!((code, out.as_str()), (0, "main: unchanged, version 2\n"));
    let server = restart(server, CONFIG).await;
    assert_eq!(current(&server).await, configured);
    assert!(blobs(&server).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_not_kept() {
    let server = Process::start(CONFIG).await;
    let configured = current(&server).await;
    for (name, said) in
        [("start_trap", "cannot be started"), ("no_exports", "exports"), ("auth_versioned", "another name")]
    {
        let (status, problem) = put(&server, &fs::read(guest(name)).unwrap()).await;
        assert!(status == 422 && problem["detail"].as_str().unwrap().contains(said), "{name}: {problem}");
    }
    let (status, problem) = put(&server, b"not a component").await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:socklet:problem:component")));
    let (status, problem) = put(&server, &vec![0; (32 << 20) + 1]).await;
    assert_eq!((status, &problem["type"]), (413, &json!("urn:socklet:problem:too-large")));
    assert!(blobs(&server).is_empty());
    assert_eq!(current(&server).await, configured);
    assert_eq!(server.open("/").await.ask("a").await, "one 1");
    for line in
        ["PUT /v1/tenants/acme/plugins/moon", "PUT /v1/tenants/moon/plugins/main", "DELETE /v1/plugins/moon/upload"]
    {
        assert_eq!(server.api("", line, "", b"").await.0, 404, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_its_trial_does_not_come_back() {
    let config = CONFIG.replace("version = \"one\"", "version = \"one\", dies = \"nothing\"");
    let server = Process::start(&config).await;
    let first = component(1);
    assert_eq!(put(&server, &first).await.0, 200);
    let mut client = server.open("/").await;
    client.ask("a").await;
    // It traps in its first message, so it gives way to what was sent before.
    let failing = marked(&guest("trap_message"), 1);
    assert_eq!(put(&server, &failing).await.0, 200);
    let mut victim = server.open("/").await;
    let _ = victim.try_send("trap").await;
    server.until_metric("socklet_plugin_swaps_total{outcome=\"failed-trial\"}", 1.0).await;
    eventually("it is recorded", async || show(&server).await["upload"]["digest"] == json!(digest(&first))).await;
    assert_eq!(show(&server).await["upload"]["by"], "the server");
    let server = restart(server, &config).await;
    assert_eq!(current(&server).await, digest(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_folder_nothing_is_kept_and_that_is_told() {
    let server = Process::start(&CONFIG.replace("uploads_dir = \"uploads\"", "")).await;
    let (status, problem) = put(&server, &component(1)).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 409 && detail.contains("write admin.uploads_dir"), "{status} {detail}");
    assert_eq!(show(&server).await["upload"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_used_is_told_of_at_the_start() {
    let server = Process::start(CONFIG).await;
    assert_eq!(put(&server, &component(1)).await.0, 200);
    let blob = blobs(&server).remove(0);
    let folder = server.folder().to_owned();
    let start = async || {
        let mut serve = command(&["serve"], &folder);
        serve.env("SOCKLET_ADMIN_BIND", "unix:other.sock").env("SOCKLET_ENGINE_CACHE_DIR", folder.join("cache"));
        socklet_tests::finished(serve).await
    };
    // Damaged, gone, pinned away, open to others: each says which file it is, or what to do.
    let whole = fs::read(&blob).unwrap();
    fs::write(&blob, b"damaged").unwrap();
    let (code, _, err) = start().await;
    assert!(code == 64 && err.contains("plugin.main.source: "), "{err}");
    fs::remove_file(&blob).unwrap();
    let (code, _, err) = start().await;
    assert!(code == 64 && err.contains(blob.file_name().unwrap().to_str().unwrap()), "{err}");
    fs::write(&blob, &whole).unwrap();
    let pinned = CONFIG.replace("settings", &format!("digest = \"{}\"\nsettings", digest(&component(7))));
    server.configure(&pinned);
    let (code, _, err) = start().await;
    assert!(code == 64 && err.contains("it is pinned to sha256:") && err.contains("was sent for it"), "{err}");
    server.reload("failed").await;
    server.configure(CONFIG);
    fs::set_permissions(folder.join("uploads/plugins"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, err) = start().await;
    assert!(code == 1 && err.contains("others can write to it: run chmod go-w on it"), "{err}");
    server.reload("ok").await;
}

/// A full disk, as a limit of how large files can become: whoever ignores the signal for it gets an error from the system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    // Large enough for the first component, and too small for the second one.
    let small = component(1);
    let mut large = component(2);
    large.extend([0, 0xff, 0xff, 0x7f, 4, b'f', b'u', b'l', b'l']);
    large.resize(large.len() + 0x1f_ffff - 5, 7);
    let blocks = small.len().div_ceil(512) + 64;
    let server = Process::start_limited(folder, CONFIG, &format!("trap '' XFSZ; ulimit -f {blocks}")).await;
    let mut client = server.open("/").await;
    assert_eq!(client.ask("a").await, "one 1");
    let (status, changed) = put(&server, &small).await;
    assert_eq!(status, 200, "{changed}");
    let (status, problem) = put(&server, &large).await;
    assert_eq!((status, &problem["type"]), (507, &json!("urn:socklet:problem:not-kept")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("nothing was changed") && detail.contains("File too large"), "{detail}");
    assert_eq!(current(&server).await, digest(&small));
    assert_eq!((blobs(&server).len(), &show(&server).await["upload"]["digest"]), (1, &json!(digest(&small))));
    assert_eq!(client.ask("b").await, "one 2");
    let unfinished = fs::read_dir(server.folder().join("uploads/blobs")).unwrap().count();
    assert_eq!(unfinished, 1, "nothing is left of what did not fit");
    let log = server.terminate().await.1;
    assert!(
        log.contains("audit: asked by an operator") && log.contains("refused: the component cannot be kept"),
        "{log}"
    );
}
