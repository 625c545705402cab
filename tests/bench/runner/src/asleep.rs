//! Instances that sleep, without sockets: runs the host's own example, which prints what it found.

use crate::{
    process::Process,
    server::CORE,
    stats::{Interval, median},
};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Duration};

pub(crate) const INSTANCES: usize = 200_000;
/// Where it is built: beside Socklet.
const PROGRAM: &str = "examples/asleep";
const PATIENCE: Duration = Duration::from_secs(300);

/// What each takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Asleep {
    /// Bytes of memory for each, its connection's share in the example included, and bytes that it has saved.
    pub(crate) bytes: f64,
    pub(crate) saved: f64,
    /// Nanoseconds of CPU time for a message to one that sleeps, to one that is awake, and the difference in the same round.
    pub(crate) asleep: f64,
    pub(crate) awake: f64,
    pub(crate) added: Interval,
}

#[derive(Debug, Deserialize)]
struct Printed {
    bytes: f64,
    saved: f64,
    asleep_ns: Vec<f64>,
    awake_ns: Vec<f64>,
}

/// Measures.
pub(crate) fn measure(socklet: &Path) -> anyhow::Result<Asleep> {
    let program = socklet.canonicalize().unwrap_or_else(|_| socklet.to_owned()).with_file_name(PROGRAM);
    ensure!(program.is_file(), "{} is not there: `make bench-build` builds it", program.display());
    let folder = tempfile::tempdir()?;
    let mut process = Process::start("asleep", CORE, &program, &[INSTANCES.to_string()], folder.path())?;
    let line = process.line(PATIENCE)?;
    let Printed { bytes, saved, asleep_ns, awake_ns } =
        serde_json::from_str(&line).with_context(|| format!("no figures: {line}"))?;
    let added: Vec<f64> = asleep_ns.iter().zip(&awake_ns).map(|(asleep, awake)| asleep - awake).collect();
    Ok(Asleep { bytes, saved, asleep: median(&asleep_ns), awake: median(&awake_ns), added: Interval::of(&added) })
}
