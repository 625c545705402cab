//! `socklet test`: scripted conversations with plugins, without sockets.

use super::{compile, exit::Failure, out};
use crate::config::user_cache;
use anyhow::{Context, anyhow};
use clap::Args;
use socklet_test::{Common, Outcome, Report, Script, ScriptError};
use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

/// Where scripts are looked for when none is named.
const FOLDER: &str = "tests";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scripts, and folders of scripts (their `*.toml`). Without any: the folder `tests`.
    scripts: Vec<PathBuf>,
    /// The component that every test runs, whatever the scripts name.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Run only tests with this text in their names.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print JSON: every test with its conversation.
    #[arg(long)]
    json: bool,
    /// Write the outcome as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the tests. Fails when one of them does.
pub(super) fn test(arguments: Arguments) -> Result<(), Failure> {
    let scripts = load(&arguments.scripts)?;
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let common = Common { plugin: arguments.plugin, cache: user_cache(), compiler: compile::child()? };
    let mut outcomes = Vec::new();
    for script in &scripts {
        for case in script.cases().iter().filter(|case| case.name().contains(filter)) {
            let outcome = script.run(case, &common);
            if !arguments.json {
                out::print(&told(&outcome));
            }
            outcomes.push(outcome);
        }
    }
    if outcomes.is_empty() {
        return Err(anyhow!("no test has {filter:?} in its name").into());
    }
    let report = Report::new(outcomes);
    if let Some(path) = &arguments.junit {
        let failed = || format!("failed to write {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        report.write_junit(&mut file).with_context(failed)?;
        file.into_inner().map_err(|error| error.into_error()).with_context(failed)?;
    }
    let summary = report.summary;
    if arguments.json {
        out::print_json(&report);
    } else {
        out::print(&format!("\n{} passed, {} failed", summary.passed, summary.failed));
    }
    if summary.failed == 0 { Ok(()) } else { Err(Failure::FailedAndTold) }
}

/// Every script that is named, or all of them with what is wrong with any.
fn load(named: &[PathBuf]) -> Result<Vec<Script>, Failure> {
    let default = [PathBuf::from(FOLDER)];
    let named = if named.is_empty() { &default[..] } else { named };
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            let found = in_folder(path).with_context(|| format!("failed to read {}", path.display()))?;
            if found.is_empty() {
                return Err(anyhow!("there is no script, no *.toml, in {}", path.display()).into());
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    let (mut scripts, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        match Script::load(&file) {
            Ok(script) => scripts.push(script),
            Err(ScriptError::Mistakes(mistakes)) => wrong.push(mistakes.to_string()),
            Err(error) => return Err(anyhow::Error::new(error).into()),
        }
    }
    if wrong.is_empty() {
        return Ok(scripts);
    }
    out::complain(&wrong.join("\n"));
    Err(Failure::Told)
}

/// The scripts of a folder, in the order of their names.
fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn told(outcome: &Outcome) -> String {
    let Outcome { file, name, .. } = outcome;
    if outcome.is_ok() {
        return format!("ok      {file}: {name}");
    }
    let indented = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    let explanation: String = outcome.explanation().lines().map(indented).collect();
    format!("FAILED  {file}: {name}\n{explanation}")
}
