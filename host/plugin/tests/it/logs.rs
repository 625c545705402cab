//! What guests write ends up in the host's log: by route, cleaned, and not too much of it.

use crate::harness::{Host, config, guest};
use socklet_plugin::InstancePolicy;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// The guest's lines so far.
    fn of_guest(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains("socklet::guest")).map(str::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// All in one test: a log can be listened to once in a process.
#[tokio::test]
async fn guests_write_to_the_hosts_log() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let host = Host::new();

    let route = host.route("reporter", InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    for command in ["log warn first\x1b[31m", "stdout second", "stderr third"] {
        client.ask(command).await;
    }
    let seen = lines.of_guest();
    for (level, text) in [("WARN", "first"), ("INFO", "second"), ("WARN", "third")] {
        let line = seen.iter().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {seen:?}"));
        assert!(line.contains(level) && line.contains("tenant=acme") && line.contains("route=main"), "{line}");
        assert!(line.contains("plugin=guest") && !line.contains('\x1b'), "{line}");
    }

    let mut flood = config(guest("flood_log"));
    flood.limits.timeout = Some(Duration::from_secs(60));
    let route = host.route_with(flood, InstancePolicy::Connection).await;
    let mut client = route.connect("").await;
    assert_eq!(client.ask("go").await, "done");
    let lines = lines.of_guest();
    assert!(lines.len() < 20_000, "{} of 100,000 lines", lines.len());
    assert!(lines.iter().any(|line| line.contains("too many lines")));
    assert!(lines.iter().all(|line| line.len() < 5_000 && !line.contains(['\x1b', '\0'])));
}
