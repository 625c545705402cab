//! `bench`: measures Socklet beside native servers, as `host/docs/performance.md` describes.

mod admin;
mod asleep;
mod client;
mod compare;
mod config;
mod counters;
mod cpu;
mod docs;
mod exec;
mod load;
mod memory;
mod neighbor;
mod plan;
mod process;
mod progress;
mod report;
mod rounds;
mod run;
mod server;
mod stats;
mod swap;
mod table;
mod targets;
mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures Socklet beside native servers.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures servers under one load.
    Cell(compare::Cell),
    /// Compares two builds of Socklet under one load.
    Ab(compare::Ab),
    /// Measures everything that there are targets for, and in full mode everything.
    Run(run::Options),
    /// Prints results that were kept, or puts them into the documentation.
    Report(docs::Options),
    /// What a measured process needs before it starts.
    #[command(hide = true)]
    Exec(exec::Options),
    /// The load of one server.
    #[command(hide = true)]
    Load(load::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Cell(options) => process::listen_to_signals().and_then(|()| compare::cell(&options)),
        Command::Ab(options) => process::listen_to_signals().and_then(|()| compare::ab(&options)),
        Command::Run(options) => process::listen_to_signals().and_then(|()| run::run(&options)),
        Command::Report(options) => docs::run(&options),
        Command::Exec(options) => exec::run(&options),
        Command::Load(options) => load::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
