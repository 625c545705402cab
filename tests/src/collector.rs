//! A collector of traces that nobody here wrote: OpenTelemetry's own package for Python decodes what is sent.

use crate::{eventually, repository};
use serde_json::Value;
use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
};

/// A running collector. It ends when it is dropped.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    requests: Arc<Mutex<Vec<Value>>>,
    _reader: JoinHandle<()>,
    _child: Child,
    _stdin: ChildStdin,
}

impl Collector {
    /// Starts one with arguments: see `tests/clients/otlp_collector.py`.
    ///
    /// # Panics
    ///
    /// When `make setup` was not run.
    pub async fn start(arguments: &[&str]) -> Self {
        let python = repository().join(".tools/python/bin/python");
        assert!(python.exists(), "{} is missing: run `make setup` first", python.display());
        let mut child = Command::new(python)
            .arg(repository().join("tests/clients/otlp_collector.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a collector can be started");
        let stdin = child.stdin.take().expect("its input is a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let first = lines.next_line().await.expect("its output can be read").expect("it says where it is");
        let first: Value = serde_json::from_str(&first).expect("lines are JSON");
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok()).expect("it has a port");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let taken = requests.clone();
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let request = serde_json::from_str(&line).expect("lines are JSON");
                taken.lock().expect("nobody panics with it").push(request);
            }
        });
        Self { port, requests, _reader: reader, _child: child, _stdin: stdin }
    }

    /// The line of a configuration that names it.
    pub fn endpoint(&self) -> String {
        format!("endpoint = \"http://127.0.0.1:{}\"", self.port)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    /// The spans that it has taken so far.
    pub fn spans(&self) -> Vec<Value> {
        let taken = self.requests().into_iter().filter(|request| request["status"] == 200);
        taken.flat_map(|request| request["spans"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// Waits for a span that fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        eventually(what, async || {
            let span = self.spans().into_iter().find(&fits);
            found = span.clone().unwrap_or_default();
            span.is_some()
        })
        .await;
        found
    }

    /// Waits for a span of a name.
    pub async fn until_named(&self, name: &str) -> Value {
        self.until(name, |span| span["name"] == name).await
    }
}
