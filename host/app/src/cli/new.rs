//! `socklet new`: a project for a plugin.

use super::{exit::Failure, out};
use anyhow::{Context, anyhow};
use clap::Args;
use socklet_author::{Kind, Language};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What it is written in: rust, js, ts, python, go or c.
    language: Language,
    /// What it is called: 1 to 63 of a-z, 0-9, '-' and '_', beginning with a letter.
    name: String,
    /// Make an authenticator, which decides who may connect; left out, it is a behavior.
    #[arg(long)]
    authenticator: bool,
    /// The folder to make; left out, it is called as the plugin.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Makes a project.
pub(super) fn new(arguments: &Arguments) -> Result<(), Failure> {
    let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let kind = if arguments.authenticator { Kind::Authenticator } else { Kind::Behavior };
    let made = socklet_author::create(&folder, &arguments.name, arguments.language, kind);
    let made = made.map_err(|error| anyhow!("{error}")).context("failed to make the project")?;
    let shown = folder.display();
    let mut text = format!("made {shown}, {} in {}:\n", kind.described(), arguments.language.described());
    for file in &made.files {
        text += &format!("  {file}\n");
    }
    out::print(&format!("{text}next: cd {shown} && socklet dev"));
    Ok(())
}
