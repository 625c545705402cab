//! `socklet inspect`: what a plugin is, what it needs, and what another version of it would change.

use super::{exit::Failure, out};
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use socklet_plugin::{Allocation, Grant, ImportStatus, Inspection, Kind};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The component.
    plugin: PathBuf,
    /// Another version of it: what the plugin needs and does otherwise than that.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Difference>,
}

/// What a version has otherwise than the one before.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Difference {
    /// Whether it is the same file.
    same: bool,
    /// Imports that it did not have, and that somebody has to grant.
    requires: Vec<String>,
    /// Other imports that it did not have.
    imports: Vec<String>,
    /// Imports that it does without now.
    without: Vec<String>,
    /// Hooks that it did not have.
    hooks: Vec<String>,
    /// Hooks that it does not have any more.
    gone: Vec<String>,
    /// What to think of before it takes the place of the other.
    warnings: Vec<String>,
}

/// Shows a component.
pub(super) fn inspect(arguments: &Arguments) -> Result<(), Failure> {
    let inspection = read(&arguments.plugin)?;
    let old = arguments.against.as_deref().map(read).transpose()?;
    let against = old.as_ref().map(|old| Difference::of(old, &inspection));
    if arguments.json {
        out::print_json(&Report { inspection, against });
        return Ok(());
    }
    let mut text = describe(&inspection);
    if let (Some(against), Some(old)) = (&against, &old) {
        let _ = write!(text, "\n{}", against.describe(old, &inspection));
    }
    out::print(&text);
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Inspection> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    socklet_plugin::inspect(&bytes).with_context(|| format!("failed to inspect {}", path.display()))
}

fn describe(inspection: &Inspection) -> String {
    let mut text = String::new();
    let kind = match inspection.kind {
        Some(Kind::Authenticator) => "authenticator",
        Some(Kind::Behavior) => "behavior",
        None => "not a plugin of this host",
    };
    let allocation = match inspection.allocation {
        Allocation::Lean => "lean",
        Allocation::Medium => "medium",
        Allocation::Large => "large",
    };
    let code = format!(
        "{} in {} functions of {} core modules",
        size(inspection.code_bytes),
        inspection.functions,
        inspection.core_modules
    );
    let instance = format!(
        "{} of memory at the start, {} core instances, {allocation}",
        size(inspection.memory_bytes),
        inspection.core_instances
    );
    let size = size(inspection.size);
    let hooks = inspection.hooks.join(", ");
    for (name, value) in [
        ("kind", kind),
        ("digest", &inspection.digest),
        ("size", &size),
        ("code", &code),
        ("instance", &instance),
        ("hooks", if hooks.is_empty() { "none" } else { &hooks }),
    ] {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    for (at, producer) in inspection.producers.iter().enumerate() {
        let name = if at == 0 { "made by" } else { "" };
        let _ = writeln!(text, "{name:<9} {}", format!("{} {}", producer.name, producer.version).trim_end());
    }
    text.push_str("imports\n");
    for import in &inspection.imports {
        let note = match import.status {
            ImportStatus::Provided => "",
            ImportStatus::NeedsGrant(Grant::Http) => "  (needs the grant http)",
            ImportStatus::NeedsGrant(Grant::Keyvalue) => "  (needs the grant keyvalue)",
            ImportStatus::Unknown => "  (unknown)",
        };
        let _ = writeln!(text, "  {}{note}", import.name);
    }
    text.push_str("exports\n");
    for export in &inspection.exports {
        let _ = writeln!(text, "  {export}");
    }
    if inspection.would_load {
        text.push_str("this host would load it");
        for (place, grant) in inspection.grants.iter().enumerate() {
            let begin = if place == 0 { ", with these lines in [plugin.NAME.grants]:" } else { "" };
            let _ = write!(text, "{begin}\n  {}", grant.example());
        }
    } else {
        text.push_str("this host would not load it:");
        for problem in &inspection.problems {
            let _ = write!(text, "\n  - {problem}");
        }
    }
    text
}

// === impl Difference ===

impl Difference {
    fn of(old: &Inspection, new: &Inspection) -> Self {
        let more = |some: &[String], other: &[String]| -> Vec<String> {
            some.iter().filter(|name| !other.contains(name)).cloned().collect()
        };
        // What an interface is called without its version: a later one of the same is nothing new to need.
        let bare = |name: &str| name.split('@').next().unwrap_or(name).to_owned();
        let has = |inspection: &Inspection, name: &str| {
            inspection.imports.iter().any(|import| bare(&import.name) == bare(name))
        };
        let added = new.imports.iter().filter(|import| !has(old, &import.name));
        let (requires, imports): (Vec<_>, Vec<_>) =
            added.partition(|import| matches!(import.status, ImportStatus::NeedsGrant(_)));
        let names =
            |imports: Vec<&socklet_plugin::Import>| imports.into_iter().map(|import| import.name.clone()).collect();
        let without = old.imports.iter().filter(|import| !has(new, &import.name)).map(|import| import.name.clone());
        let (hooks, gone) = (more(&new.hooks, &old.hooks), more(&old.hooks, &new.hooks));
        let mut warnings = Vec::new();
        if old.kind != new.kind {
            warnings.push("it is of another kind: it cannot take the other's place".to_owned());
        }
        if gone.iter().any(|hook| hook == "state") {
            warnings.push("it does not export state any more: what the other has saved is lost to it".to_owned());
        }
        if !old.hooks.iter().any(|hook| hook == "state") && old.kind == Some(Kind::Behavior) {
            warnings.push(
                "the other does not export state: its connections stay with it, unless it is stateless or on_swap closes them"
                    .to_owned(),
            );
        }
        if gone.iter().any(|hook| hook == "timer-events") {
            warnings.push("it does not export timer-events any more: timers that are set will not be heard".to_owned());
        }
        if new.memory_bytes > old.memory_bytes {
            let (from, to) = (size(old.memory_bytes), size(new.memory_bytes));
            warnings.push(format!("an instance starts with {to} of memory, and not with {from}"));
        }
        if !new.would_load {
            warnings.push("this host would not load it".to_owned());
        }
        let same = old.digest == new.digest;
        let warnings = if same { Vec::new() } else { warnings };
        Self {
            same,
            requires: names(requires),
            imports: names(imports),
            without: without.collect(),
            hooks,
            gone,
            warnings,
        }
    }

    fn describe(&self, old: &Inspection, new: &Inspection) -> String {
        if self.same {
            return "it is the same component as the other".to_owned();
        }
        let mut text = format!("\ncompared with {}, of {} and now {}", old.digest, size(old.size), size(new.size));
        let lists = [
            ("newly needs the grant of", &self.requires),
            ("newly imports", &self.imports),
            ("does without", &self.without),
            ("newly exports", &self.hooks),
            ("no longer exports", &self.gone),
        ];
        for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
            let _ = write!(text, "\n  {what} {}", names.join(", "));
        }
        if lists.iter().all(|(_, names)| names.is_empty()) {
            text.push_str("\n  needs and exports the same");
        }
        for warning in &self.warnings {
            let _ = write!(text, "\n  ! {warning}");
        }
        text
    }
}

/// Bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
