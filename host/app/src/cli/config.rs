//! `socklet config`: what a configuration can say.

use super::{exit::Failure, out};
use crate::config::print;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints a configuration with every default, to start from.
    Default,
    /// Prints every section and key.
    Schema {
        /// Print a JSON Schema.
        #[arg(long)]
        json: bool,
    },
}

/// Prints.
pub(super) fn config(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Default => out::print(print::defaults().trim_end()),
        Command::Schema { json: true } => out::print_json(&print::json_schema()),
        Command::Schema { json: false } => out::print(print::reference().trim_end()),
    }
    Ok(())
}
