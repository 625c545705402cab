//! `bench run`: all of it, one thing after the other. What fails leaves a reason behind, and the rest goes on.

use crate::{
    asleep, config, counters, memory,
    memory::Memory,
    neighbor,
    neighbor::Neighbor,
    plan::{Cell, Mode, Plan},
    process::check_stop,
    progress::Progress,
    report::{AGAIN, CellReport, Report, ServerReport},
    rounds, server,
    server::Subject,
    swap, table,
    wire::Measured,
};
use anyhow::Context;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// `bench run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value = "full")]
    mode: Mode,
    /// The binary of Socklet; left out: the release build.
    #[arg(long)]
    socklet: Option<PathBuf>,
    /// Where the results go, as JSON; left out: `tests/bench/results/`, named after the mode.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measures only what has this in its name: `echo 64 KiB`, `fan-out`, `handshakes`, `memory`, `quiet`,
    /// `asleep`, `swap`.
    #[arg(long, default_value = "")]
    only: String,
}

/// Measures, prints, keeps.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let socklet = options.socklet.clone().unwrap_or_else(config::release);
    let mode = if options.mode == Mode::Quick { "quick" } else { "full" };
    let out = options.out.clone().unwrap_or_else(|| config::root().join(format!("tests/bench/results/{mode}.json")));
    let mut plan = Plan::new(options.mode);
    plan.retain(&options.only);
    let (start, mut progress) = (Instant::now(), Progress::new());
    let mut report = Report {
        mode: mode.to_owned(),
        commit: commit(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        seconds: 0,
        cells: Vec::new(),
        memory: Vec::new(),
        neighbor: Vec::new(),
        asleep: None,
        swapped: None,
    };
    let all = plan.cells.len();
    for (number, cell) in plan.cells.iter().enumerate() {
        let name = format!("cell {} of {all}, {}", number + 1, cell.name);
        let servers = kept(measure(cell, &socklet, &name, &mut progress))?;
        let costs = servers.as_ref().map_or_else(Clone::clone, |servers| summary(servers));
        progress.keep(&format!("{name}: {costs}"));
        let (kind, connections) = (cell.work.kind, cell.work.connections);
        report.cells.push(CellReport { name: cell.name.clone(), kind, connections, servers });
    }
    for name in &plan.memory {
        progress.say(&format!("idle connections, {name}"));
        let taken = kept(Subject::named(name, &socklet).and_then(|subject| memory::measure(&subject)))?;
        let bytes = taken.as_ref().map_or_else(Clone::clone, |taken| format!("{:.0} bytes", taken.bytes));
        progress.keep(&format!("idle connection, {name}: {bytes}"));
        report.memory.push(Memory { server: (*name).to_owned(), taken });
    }
    for instance in plan.quiet {
        let say = |round: usize| progress.say(&format!("quiet tenant, {instance}: round {}", round + 1));
        let quiet = kept(neighbor::measure(&socklet, instance, plan.beside, say))?;
        let ratio = quiet.as_ref().map_or_else(Clone::clone, |quiet| format!("{:.2}", quiet.ratio.median));
        progress.keep(&format!("quiet tenant beside loops, {instance}: {ratio}"));
        report.neighbor.push(Neighbor { instance: instance.to_owned(), quiet });
    }
    if plan.asleep {
        progress.say("instances that sleep, without sockets");
        let found = kept(asleep::measure(&socklet))?;
        let bytes = found.as_ref().map_or_else(Clone::clone, |found| format!("{:.0} bytes", found.bytes));
        progress.keep(&format!("an instance that sleeps, without its socket: {bytes}"));
        report.asleep = Some(found);
    }
    if let Some(schedule) = plan.swap {
        let found =
            kept(swap::measure(&socklet, schedule, |round| progress.say(&format!("swap: round {}", round + 1))))?;
        let took = found.as_ref().map_or_else(Clone::clone, |found| format!("{:.0} ms", found.took.median));
        progress.keep(&format!("connections that are swapped: {took}"));
        report.swapped = Some(found);
    }
    report.seconds = start.elapsed().as_secs();
    keep(&report, &out)?;
    println!("{}", table::of(&report));
    eprintln!("kept in {}", out.display());
    Ok(())
}

fn measure(cell: &Cell, socklet: &Path, name: &str, progress: &mut Progress) -> anyhow::Result<Vec<ServerReport>> {
    let subjects = cell.servers.iter().map(|server| Subject::named(server, socklet));
    let mut subjects = subjects.collect::<anyhow::Result<Vec<_>>>()?;
    if cell.again {
        subjects.push(subjects[0].clone().called(AGAIN));
    }
    let rounds = cell.schedule.rounds;
    let measured = rounds::run(&subjects, &cell.work, cell.schedule, |round, subject| {
        progress.say(&format!("{name}: round {} of {rounds}, {}", round + 1, subject.name));
    })?;
    let mut reports = Vec::new();
    for (subject, (turns, mut pair)) in subjects.iter().zip(measured) {
        let counted = cell.calls && subject.name != AGAIN && !server::NATIVE.contains(&subject.name.as_str());
        let calls = if counted {
            progress.say(&format!("{name}: system calls, {}", subject.name));
            Some(kept(counters::count(&pair.server, &mut pair.client))?)
        } else {
            None
        };
        reports.push(ServerReport { name: subject.name.clone(), turns, calls });
    }
    Ok(reports)
}

/// A failure becomes part of the results; only the wish to stop ends the run.
fn kept<T>(result: anyhow::Result<T>) -> anyhow::Result<Result<T, String>> {
    check_stop()?;
    Ok(result.map_err(|error| format!("{error:#}")))
}

fn summary(servers: &[ServerReport]) -> String {
    let costs = servers.iter().map(|server| format!("{} {:.2}", server.name, server.middle(Measured::cost) / 1e3));
    format!("{} µs", costs.collect::<Vec<_>>().join(", "))
}

fn keep(report: &Report, out: &Path) -> anyhow::Result<()> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(out, serde_json::to_string(report)?).with_context(|| format!("failed to write {}", out.display()))
}

/// The commit that is checked out; a run outside of a clone has none.
fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(config::root()).output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
