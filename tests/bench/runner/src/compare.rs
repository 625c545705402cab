//! `bench cell` and `bench ab`: one load by hand, for those who want to see what a change does.

use crate::{
    config,
    load::Kind,
    progress::Progress,
    rounds::{self, EVERY, Schedule, Work},
    server::Subject,
    stats::{Interval, median, ratios},
    wire::Measured,
};
use std::{path::PathBuf, time::Duration};

/// A load.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LoadOptions {
    #[arg(long, value_enum, default_value = "echo")]
    kind: Kind,
    /// Bytes of a message.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Messages in one write.
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Seconds of one turn.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// `bench cell`.
#[derive(Debug, clap::Args)]
pub(crate) struct Cell {
    /// Servers, separated by commas; the others are compared to the first.
    #[arg(long = "server", value_delimiter = ',', required = true)]
    servers: Vec<String>,
    /// The binary of Socklet; left out: the release build.
    #[arg(long)]
    socklet: Option<PathBuf>,
    #[command(flatten)]
    load: LoadOptions,
}

/// `bench ab`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ab {
    /// A binary of Socklet.
    #[arg(long)]
    a: PathBuf,
    /// Another one, which is compared to the first.
    #[arg(long)]
    b: PathBuf,
    /// What they serve.
    #[arg(long, default_value = "socklet-shared")]
    server: String,
    #[command(flatten)]
    load: LoadOptions,
}

/// Measures servers under one load.
pub(crate) fn cell(options: &Cell) -> anyhow::Result<()> {
    let socklet = options.socklet.clone().unwrap_or_else(config::release);
    let subjects = options.servers.iter().map(|name| Subject::named(name, &socklet));
    compare(&subjects.collect::<anyhow::Result<Vec<_>>>()?, &options.load)
}

/// Compares two builds, with the first one twice: that pair shows what noise alone does.
pub(crate) fn ab(options: &Ab) -> anyhow::Result<()> {
    let subject = |binary, name| Ok::<_, anyhow::Error>(Subject::named(&options.server, binary)?.called(name));
    compare(&[subject(&options.a, "a")?, subject(&options.b, "b")?, subject(&options.a, "a again")?], &options.load)
}

fn compare(subjects: &[Subject], load: &LoadOptions) -> anyhow::Result<()> {
    let (bytes, connections, depth) = (load.bytes, load.connections, load.depth);
    let work = Work { kind: load.kind, bytes, connections, depth, every: EVERY };
    let schedule = Schedule { rounds: load.rounds.max(1), turn: Duration::from_secs_f64(load.seconds) };
    let mut progress = Progress::new();
    let measured = rounds::run(subjects, &work, schedule, |round, subject| {
        progress.say(&format!("round {} of {}: {}", round + 1, schedule.rounds, subject.name));
    })?;
    progress.clear();
    println!(
        "{:<20} {:>11} {:>11} {:>10} {:>10} {:>7} {:>7}  to the first",
        "", "CPU ns/msg", "messages/s", "p50 us", "p99 us", "server", "client"
    );
    let costs = |turns: &[Measured]| turns.iter().map(Measured::cost).collect::<Vec<_>>();
    let first = costs(&measured[0].0);
    for (subject, (turns, _)) in subjects.iter().zip(&measured) {
        let middle = |of: fn(&Measured) -> f64| median(&turns.iter().map(of).collect::<Vec<_>>());
        let Interval { median: ratio, low, high } = Interval::of(&ratios(&costs(turns), &first));
        println!(
            "{:<20} {:>11.0} {:>11.0} {:>10.1} {:>10.1} {:>6.0}% {:>6.0}%  {ratio:.3} ({low:.3} to {high:.3})",
            subject.name,
            middle(Measured::cost),
            middle(Measured::per_second),
            middle(|turn| turn.p50_ns as f64 / 1e3),
            middle(|turn| turn.p99_ns as f64 / 1e3),
            middle(Measured::server_load) * 100.0,
            middle(Measured::client_load) * 100.0,
        );
    }
    Ok(())
}
