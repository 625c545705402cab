//! `socklet serve` as an operator sees it: addresses, readiness, signals, exit codes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Killed when it is dropped.
struct Server {
    process: Child,
    /// The address of its listener.
    listener: String,
    /// The address for operators.
    ops: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Serves a page, and what else the configuration says, on ports that the system chooses.
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page");
        std::fs::create_dir(&page).unwrap();
        std::fs::write(page.join("index.html"), "<p>hello").unwrap();
        let config = format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\n[ops]\nbind = \"127.0.0.1:0\"\n\
             [[route]]\npath = \"/{{*file}}\"\nstatic = \"page\"\n{more}"
        );
        std::fs::write(folder.path().join("socklet.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_socklet"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKLET_")) {
            command.env_remove(name);
        }
        command.arg("serve").current_dir(folder.path()).env("XDG_CACHE_HOME", folder.path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut find = |start: &str| lines.find_map(|line| line.trim().strip_prefix(start).map(str::to_owned));
        let listener = find("listener default: ").expect("it says where it listens");
        let ops = find("operators: http://").expect("it says where operators find it");
        let ops = ops.split('/').next().unwrap().to_owned();
        Self { process, listener, ops, _folder: folder }
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The exit code and the log.
    fn wait(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn serves_where_it_says_and_ends_with_0_after_sigterm() {
    let server = Server::start("");
    let answer = get(&server.listener, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("<p>hello"), "{answer}");
    assert!(get(&server.ops, "/readyz").unwrap().starts_with("HTTP/1.1 200 "));
    let metrics = get(&server.ops, "/metrics").unwrap();
    assert!(metrics.contains("socklet_build_info{version=\"") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(get(&server.listener, "/metrics").unwrap().starts_with("HTTP/1.1 404 "), "only operators see metrics");
    server.signal("HUP");
    let deadline = Instant::now() + PATIENCE;
    while !get(&server.ops, "/metrics").unwrap().contains("socklet_config_reloads_total{outcome=\"ok\"} 1\n") {
        assert!(Instant::now() < deadline, "it does not reload");
    }
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    for line in ["serving", "asked to reload", "configuration reloaded", "asked to stop", "draining", "drained"] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn logs_json_when_asked() {
    let server = Server::start("[log]\nformat = \"json\"\n");
    server.signal("INT");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.lines().count() > 2);
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn a_second_signal_ends_a_drain_that_waits() {
    let server = Server::start("[limits]\nhandshake_timeout = \"60s\"\n[drain]\ntimeout = \"60s\"\n");
    // A request that never ends keeps the drain waiting.
    let mut stream = TcpStream::connect(&server.listener).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").unwrap();
    assert!(get(&server.listener, "/").unwrap().starts_with("HTTP/1.1 200 "), "it has accepted the first one, too");
    server.signal("TERM");
    let deadline = Instant::now() + PATIENCE;
    while !get(&server.ops, "/readyz").unwrap().ends_with("draining\n") {
        assert!(Instant::now() < deadline, "it does not drain");
    }
    assert!(get(&server.ops, "/metrics").unwrap().contains("socklet_draining 1\n"));
    let started = Instant::now();
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped by a second signal") && started.elapsed() < PATIENCE, "{log}");
    drop(stream);
}
