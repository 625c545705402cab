//! The usage export: a file of JSON lines for each interval, there as a whole or not at all.
//!
//! A line has what was used since the last file, so that the lines of all files add up, whatever was restarted, drained or swapped
//! meanwhile. When a file cannot be written, the next one has what it would have had. Only what a process has used since its last
//! file is lost when it is killed.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use serde::Serialize;
use socklet_plugin::{Plugins, UsageRow};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

/// How long the last file may take while the server stops.
const LAST: Duration = Duration::from_secs(10);
/// How unfinished files end.
const UNFINISHED: &str = ".unfinished";

/// Where usage is exported to, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsagePlan {
    pub(crate) folder: PathBuf,
    pub(crate) interval: Duration,
}

/// A running export.
#[derive(Debug)]
pub(crate) struct Export {
    writer: Arc<Mutex<Writer>>,
    _task: AbortOnDropHandle<()>,
}

/// Writes one file after the other.
#[derive(Debug)]
struct Writer {
    engine: Plugins,
    folder: PathBuf,
    /// Tells the files of this process from those of others.
    run: String,
    files: u64,
    /// Until when everything is written.
    written_to: SystemTime,
    /// What was written in all.
    written: HashMap<Key, UsageRow>,
    outcomes: Family<Outcome, Counter>,
}

/// Tenant, route, plugin and version.
type Key = (String, String, String, u32);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// One line: what was used from one time to another, both in seconds since 1970.
#[derive(Debug, Serialize)]
struct Line<'a> {
    from: f64,
    to: f64,
    tenant: &'a str,
    route: &'a str,
    plugin: String,
    version: u32,
    digest: &'a str,
    cpu_seconds: f64,
    calls: u64,
    traps: u64,
    host_calls: u64,
    messages_received: u64,
    bytes_received: u64,
    messages_sent: u64,
    bytes_sent: u64,
    connection_seconds: f64,
    memory_byte_seconds: f64,
    memory_peak_bytes: u64,
}

// === impl Export ===

impl Export {
    /// Begins to export; everything that is used from now on.
    ///
    /// # Errors
    ///
    /// When the folder is not there and cannot be made, or nothing can be written to it.
    pub(crate) fn start(plan: &UsagePlan, engine: Plugins, registry: &mut Registry) -> io::Result<Self> {
        let outcomes = Family::default();
        registry.register("usage_exports", "Files of the usage export", outcomes.clone());
        engine.keep_usage();
        let writer = Arc::new(Mutex::new(Writer::new(plan, engine, outcomes)?));
        let (shared, interval) = (writer.clone(), plan.interval);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                write(&shared).await;
            }
        });
        Ok(Self { writer, _task: AbortOnDropHandle::new(task) })
    }

    /// Writes what is left, and ends.
    pub(crate) async fn finish(self) {
        if tokio::time::timeout(LAST, write(&self.writer)).await.is_err() {
            warn!("the last file of the usage export takes too long, what it would have had is lost");
        }
    }
}

async fn write(writer: &Arc<Mutex<Writer>>) {
    let writer = writer.clone();
    let written = tokio::task::spawn_blocking(move || {
        // A file that failed in a panic has not counted.
        writer.lock().unwrap_or_else(PoisonError::into_inner).write(SystemTime::now());
    });
    if written.await.is_err() {
        warn!("the usage export has failed, its next file has what is missing");
    }
}

// === impl Writer ===

impl Writer {
    fn new(plan: &UsagePlan, engine: Plugins, outcomes: Family<Outcome, Counter>) -> io::Result<Self> {
        fs::create_dir_all(&plan.folder)?;
        let now = SystemTime::now();
        let run = format!("{}-{}", seconds(now) as u64, std::process::id());
        let probe = plan.folder.join(format!("{run}{UNFINISHED}"));
        File::create(&probe)?;
        fs::remove_file(&probe)?;
        let (folder, written) = (plan.folder.clone(), HashMap::new());
        Ok(Self { engine, folder, run, files: 0, written_to: now, written, outcomes })
    }

    fn write(&mut self, now: SystemTime) {
        let rows = self.engine.usage();
        let lines = self.lines(&rows, now);
        let name = format!("usage-{}-{:06}.jsonl", self.run, self.files);
        let outcome = match if lines.is_empty() { Ok(()) } else { put(&self.folder, &name, &lines) } {
            Ok(()) => {
                self.files += u64::from(!lines.is_empty());
                self.written_to = now;
                self.written = rows.iter().filter(|row| !row.is_final).map(|row| (key(row), row.clone())).collect();
                self.engine.usage_was_taken(&rows);
                "ok"
            }
            Err(error) => {
                let folder = self.folder.display();
                warn!(%error, %folder, "failed to write a file of the usage export, the next one has what is missing");
                "failed"
            }
        };
        self.outcomes.get_or_create(&Outcome { outcome }).inc();
        debug!(file = name, bytes = lines.len(), outcome, "usage exported");
    }

    /// A line for each row that something was added to.
    fn lines(&self, rows: &[UsageRow], now: SystemTime) -> Vec<u8> {
        let mut lines = Vec::new();
        for row in rows {
            let line = Line::new(row, self.written.get(&key(row)), (self.written_to, now));
            if line.is_empty() {
                continue;
            }
            if serde_json::to_writer(&mut lines, &line).is_ok() {
                lines.push(b'\n');
            }
        }
        lines
    }
}

// === impl Line ===

impl<'a> Line<'a> {
    fn new(row: &'a UsageRow, before: Option<&UsageRow>, (from, to): (SystemTime, SystemTime)) -> Self {
        let count = |count: fn(&UsageRow) -> u64| count(row) - before.map_or(0, count).min(count(row));
        let amount = |amount: fn(&UsageRow) -> f64| (amount(row) - before.map_or(0.0, amount)).max(0.0);
        Self {
            from: seconds(from),
            to: seconds(to),
            tenant: row.tenant.as_str(),
            route: row.route.as_str(),
            plugin: row.plugin.to_string(),
            version: row.version,
            digest: &row.digest,
            cpu_seconds: amount(|row| row.cpu_seconds),
            calls: count(|row| row.calls),
            traps: count(|row| row.traps),
            host_calls: count(|row| row.host_calls),
            messages_received: count(|row| row.messages_received),
            bytes_received: count(|row| row.bytes_received),
            messages_sent: count(|row| row.messages_sent),
            bytes_sent: count(|row| row.bytes_sent),
            connection_seconds: amount(|row| row.connection_seconds),
            memory_byte_seconds: amount(|row| row.memory_byte_seconds),
            memory_peak_bytes: row.memory_peak_bytes,
        }
    }

    fn is_empty(&self) -> bool {
        self.calls == 0 && self.connection_seconds == 0.0 && self.memory_byte_seconds == 0.0
    }
}

/// A file that is there as a whole or not at all.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, folder.join(name))
    })();
    if written.is_err() {
        // It is no loss when this fails, too: nobody takes it for finished.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    // It has its name; where that does not last a crash of the machine, the file never was.
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        warn!(%error, "failed to make a file of the usage export last");
    }
    Ok(())
}

fn key(row: &UsageRow) -> Key {
    (row.tenant.to_string(), row.route.to_string(), row.plugin.to_string(), row.version)
}

/// Since 1970, to the millisecond.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1e3
}
