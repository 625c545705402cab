//! CPU time of processes, from the scheduler's own accounting, and where they may run.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;

/// Nanoseconds that the living threads of a process have run.
pub(crate) fn of(process: u32) -> anyhow::Result<u64> {
    let folder = format!("/proc/{process}/task");
    let mut sum = 0;
    for thread in fs::read_dir(&folder).with_context(|| format!("process {process} is gone"))? {
        // A thread may end while it is looked at.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = text.split(' ').next().unwrap_or_default();
        sum += first.parse::<u64>().with_context(|| format!("the kernel keeps no schedstat: {text:?}"))?;
    }
    Ok(sum)
}

/// Binds this thread, and what it starts, to one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("there is no core {core}"))
}
