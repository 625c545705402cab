//! Clients that nobody here wrote: Python's `websockets`, node's `ws`, Chromium, and Autobahn's test suite.

use socklet_tests::{Server, repository, target, within};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

/// What the scenarios of the scripts need.
pub(super) const ROUTES: &str = r#"
    [[route]]
    path = "/"
    behavior = "echo"
    [[route]]
    path = "/chat"
    behavior = "echo"
    subprotocols = ["chat.v2", "chat.v1"]
    [[route]]
    path = "/private"
    behavior = "echo"
    authenticators = "passwords"
    [[route]]
    path = "/idle"
    behavior = "echo"
    heartbeat = { interval = "1s" }
    [[route]]
    path = "/compressed"
    behavior = "echo"
    compression = { threshold = "1B" }
    [[route]]
    path = "/context"
    behavior = "echo"
    [route.compression]
    level = 6
    threshold = "1B"
    server_no_context_takeover = false
    client_no_context_takeover = false
    server_max_window_bits = 14
    client_max_window_bits = 11
    [plugin.echo]
    source = "stock:echo"
    [plugin.passwords]
    source = "stock:basic_auth"
    settings = { users = { ada = "$2b$10$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e" } }
"#;

/// What is agreed on with a client that asks for nothing.
pub(super) const ALONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What is agreed on where contexts are taken over.
pub(super) const CONTEXT: &str = "permessage-deflate; server_max_window_bits=14; client_max_window_bits=11";

/// What a client can ask for, and what it is answered.
const ASKED: &str =
    "server_no_context_takeover,client_no_context_takeover,server_max_window_bits=9,client_max_window_bits=10";
const GRANTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
    server_max_window_bits=9; client_max_window_bits=10";

/// Runs a script of `tests/clients`, with more in its environment; it must end with 0.
pub(super) async fn passes(
    program: PathBuf,
    script: &str,
    arguments: &[&str],
    environment: &[(&str, &Path)],
) -> String {
    let script = repository().join("tests/clients").join(script);
    let mut command = Command::new(&program);
    command.arg(script).args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {:?}\n{out}\n{err}", output.status);
    out
}

/// Something that `make setup` installs.
pub(super) fn installed(path: &str) -> PathBuf {
    let path = repository().join(path);
    assert!(path.exists(), "{} is missing: run `make setup` first", path.display());
    path
}

async fn scenario(program: PathBuf, script: &str, scenario: &str, path: &str, options: &[&str]) {
    let server = Server::start(ROUTES).await;
    let url = server.url(path);
    let arguments = [&[url.as_str(), scenario], options].concat();
    let out = within(scenario, passes(program, script, &arguments, &[])).await;
    let line: serde_json::Value = serde_json::from_str(out.trim()).expect("one line of JSON");
    assert_eq!((line["scenario"].as_str(), line["ok"].as_bool()), (Some(scenario), Some(true)), "{line}");
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
    server.until_metric("socklet_connections", 0.0).await;
}

macro_rules! scenarios {
    ($($name:ident: $scenario:literal at $path:literal $options:expr;)*) => {
        /// Python's `websockets`.
        mod websockets {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let python = installed(".tools/python/bin/python");
                scenario(python, "websockets_client.py", $scenario, $path, &$options).await;
            })*
        }

        /// node's `ws`.
        mod ws {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                installed("tests/clients/node_modules/ws");
                scenario("node".into(), "ws_client.mjs", $scenario, $path, &$options).await;
            })*
        }
    };
}

scenarios! {
    text_echo: "text-echo" at "/" [];
    binary_echo: "binary-echo" at "/" [];
    fragments: "fragments" at "/" [];
    ping_pong: "ping-pong" at "/" [];
    close: "close" at "/" [];
    subprotocol_chosen: "subprotocol" at "/chat" ["--offer", "chat.v1,chat.v2", "--expect", "chat.v2"];
    subprotocol_unknown: "subprotocol" at "/chat" ["--offer", "other", "--expect", ""];
    auth_accepted: "auth-accepted" at "/private" ["--user", "ada", "--password", "lovelace"];
    auth_refused: "auth-refused" at "/private" ["--user", "ada", "--password", "lovelace"];
    refused: "refused" at "/" ["--origin", "https://evil.example", "--status", "403"];
    nowhere: "refused" at "/nowhere" ["--status", "404"];
    oversize: "oversize" at "/" [];
    idle: "idle" at "/idle" ["--idle", "4", "--pings", "2"];
    compressed: "compressed" at "/compressed" ["--agreed", ALONE];
    compressed_in_context: "compressed" at "/context" ["--deflate", "client_max_window_bits", "--agreed", CONTEXT];
    compressed_as_the_client_asks: "compressed" at "/context" ["--deflate", ASKED, "--agreed", GRANTED];
    not_compressed: "compressed" at "/" ["--agreed", ""];
    many: "many" at "/" ["--connections", "50"];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_of_chromium_chat_on_the_demo_page() {
    installed("tests/clients/node_modules/playwright-core");
    // The demo as it is, at another address; its paths start from its own folder.
    let demo = repository().join("plugins/demo");
    let config = fs::read_to_string(demo.join("socklet.toml")).unwrap();
    let mut config = config.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9090", "127.0.0.1:0");
    config = config.replace("\"file:../target", &format!("\"file:{}/../target", demo.display()));
    config = config.replace("static = \"page\"", &format!("static = \"{}/page\"", demo.display()));
    let server = Server::start(&config).await;
    let page = server.url("/").replace("ws://", "http://");
    let shots = target().join("chat-page");
    let arguments = [&*page, "--out", shots.to_str().unwrap(), "--timeout", "100"];
    passes("node".into(), "chat_page.mjs", &arguments, &[]).await;
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
    server.until_metric("socklet_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autobahn_finds_nothing() {
    let server = autobahn_server("").await;
    autobahn(&server, &server.url("/"), "autobahn", "autobahn-expected.json", 1200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes: make conformance"]
async fn autobahn_finds_nothing_in_all_of_its_cases() {
    let server = autobahn_server("").await;
    autobahn(&server, &server.url("/"), "autobahn-all", "autobahn-expected-all.json", 7200).await;
}

/// A server for Autobahn: its largest messages have 16 MiB, and the plugin has to hold one and its copy.
pub(super) async fn autobahn_server(listener: &str) -> Server {
    Server::start(&format!(
        "{listener}[[route]]\npath = '/'\nbehavior = 'echo'\n\
         [route.compression]\nserver_no_context_takeover = false\nclient_no_context_takeover = false\n\
         [plugin.echo]\nsource = 'stock:echo'\ntimeout = '30s'\nmemory_max = '256MiB'\nhost_call_bytes_max = '17MiB'\n\
         [limits]\nmax_message_size = '17MiB'\nsend_queue_max_bytes = '40MiB'\nmax_fragments = 1000000\n\
         control_frame_rate = '1000000/s'\n",
    ))
    .await
}

/// Runs Autobahn's cases that an expectation names at a URL, within so many seconds.
pub(super) async fn autobahn(server: &Server, url: &str, out: &str, expected: &str, timeout: u32) {
    let skipped = repository().join(".tools/autobahn.skipped");
    if let Ok(why) = fs::read_to_string(skipped) {
        // Past the capture of a test's output: a test that passes would say it to nobody.
        let mut uncaptured = std::io::stderr();
        writeln!(uncaptured, "!!! SKIPPED: Autobahn test suite: {why}").unwrap();
        return;
    }
    let wstest = installed(".tools/autobahn/bin/wstest");
    let out = target().join(out);
    let (expected, timeout) = (repository().join("tests/clients").join(expected), timeout.to_string());
    let arguments = ["--url", url, "--out", out.to_str().unwrap(), "--wstest", wstest.to_str().unwrap()];
    let more = ["--expect", expected.to_str().unwrap(), "--timeout", &timeout];
    passes("python3".into(), "autobahn.py", &[&arguments[..], &more].concat(), &[]).await;
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
}
