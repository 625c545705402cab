//! `bench`: measures Socklet beside native servers, as `host/docs/performance.md` describes.

mod client;
mod compare;
mod config;
mod cpu;
mod exec;
mod load;
mod process;
mod progress;
mod rounds;
mod server;
mod stats;
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
