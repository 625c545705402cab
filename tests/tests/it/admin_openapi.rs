//! The OpenAPI document: it is what the API does, as a client that nobody here wrote finds it.

use serde_json::Value;
use socklet_tests::{Process, replace, repository, target, within};
use std::{fs, process::Stdio};
use tokio::process::Command;

const TOKEN: &str = "0123456789-token-of-operators";

const OF_TENANT: &str = "0123456789-token-of-the-tenant-acme";

/// How long schemathesis asks, in seconds, beside what it asks in any case.
const SECONDS: &str = "25";

const CONFIG: &str = r#"
    [[route]]
    tenant = "acme"
    path = "/"
    behavior = "main"
    [[route]]
    tenant = "acme"
    path = "/files"
    static = "."
    [plugin.main]
    source = "guest:reporter"
    [admin]
    bind = "127.0.0.1:0"
    token_file = "token"
    tokens_file = "tokens.toml"
    uploads_dir = "uploads"
    failure_rate = "1000000/s"
    [log]
    level = "warn"
"#;

async fn start() -> Process {
    let folder = tempfile::tempdir().unwrap();
    let tokens = format!("[[token]]\nname = \"acme\"\ntoken = \"{OF_TENANT}\"\nrole = \"write\"\ntenant = \"acme\"\n");
    replace(folder.path(), "token", TOKEN);
    replace(folder.path(), "tokens.toml", &tokens);
    Process::start_in(folder, CONFIG).await
}

async fn document(server: &Process) -> Value {
    server.api(TOKEN, "GET /v1/openapi.json", "", b"").await.1
}

/// Every path of the document, with something in place of what it captures.
fn paths(document: &Value) -> Vec<(String, Vec<String>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let path = |(path, operations): (&String, &Value)| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let methods = operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        (parts.collect::<Vec<_>>().join("/"), methods)
    };
    paths.map(path).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_reach_nothing_of_it() {
    let server = start().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = paths(&document);
    assert!(paths.len() > 15, "{paths:?}");
    for (path, methods) in paths {
        for method in methods {
            let line = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
            for address in [server.address(), &server.ops()] {
                let mut wire = socklet_tests::Wire::connect(address).await;
                wire.write(line.as_bytes()).await;
                let status = wire.answer().await.status;
                assert!([404, 405, 426].contains(&status), "{method} {path} at {address}: {status}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_needs_the_token_and_has_no_other_method() {
    let server = start().await;
    let document = document(&server).await;
    for (path, methods) in paths(&document) {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(server.api("", &format!("{method} {path}"), "", b"").await.0, 401, "{method} {path}");
            if !methods.iter().any(|known| known == method) {
                let bearer = format!("authorization: Bearer {TOKEN}\r\n");
                let answer = server.ask_admin(&format!("{method} {path}"), &bearer, b"").await;
                assert_eq!(answer.status, 405, "{method} {path}");
                let allowed: Vec<_> = answer.header("allow").split(", ").filter(|one| *one != "HEAD").collect();
                assert!(
                    methods.iter().all(|known| allowed.contains(&known.as_str())),
                    "{path}: {allowed:?} {methods:?}"
                );
            }
        }
    }
}

/// Runs schemathesis with a token on some operations.
async fn run(server: &Process, token: &str, which: &[&str], seconds: &str) {
    let program = repository().join(".tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run `make setup` first", program.display());
    let reports = target().join("schemathesis");
    fs::create_dir_all(&reports).unwrap();
    let mut run = Command::new(program);
    run.arg("run")
        .arg(format!("{}/v1/openapi.json", server.admin()))
        .args(["--header", &format!("Authorization: Bearer {token}"), "--checks", "all", "--max-time", seconds])
        .args(which)
        .args(["--workers", "2", "--seed", "1", "--request-timeout", "30", "--max-failures", "20", "--no-color"])
        .args(["--generation-database", ":memory:"])
        .current_dir(&reports)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output =
        within("schemathesis", async { tokio::time::timeout(socklet_tests::PATIENCE * 3, run.output()).await });
    let output = output.await.expect("it has a time budget").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let server = start().await;
    let _connection = server.open("/").await;
    // What happens next is told for ever: there is no whole answer to look at. Nothing in it writes TOML. And a drain of the node ends the
    // server, where it is asked to: only somebody who is confined to a tenant tries that.
    let but = ["readEvents", "putTenant", "drain"].map(|name| ["--exclude-operation-id", name]).concat();
    run(&server, TOKEN, &but, SECONDS).await;
    // What is to be drained is one thing, which a schema does not say.
    let drains = ["drain", "resume"].map(|name| ["--include-operation-id", name]).concat();
    let drains = [&drains[..], &["--exclude-checks", "positive_data_acceptance"]].concat();
    run(&server, OF_TENANT, &drains, "8").await;
    // And the server has taken no harm.
    assert_eq!(server.api(TOKEN, "GET /v1/status", "", b"").await.0, 200);
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked") && !log.contains(TOKEN), "{log}");
}
