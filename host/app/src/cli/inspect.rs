//! `socklet inspect`: what a plugin is, and what it needs.

use super::{exit::Failure, out};
use anyhow::Context;
use socklet_plugin::{Allocation, Grant, ImportStatus, Inspection, Kind};
use std::{fmt::Write, path::Path};

/// Shows a component.
pub(super) fn inspect(path: &Path, as_json: bool) -> Result<(), Failure> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let inspection =
        socklet_plugin::inspect(&bytes).with_context(|| format!("failed to inspect {}", path.display()))?;
    if as_json {
        out::print_json(&inspection);
    } else {
        out::print(&describe(&inspection));
    }
    Ok(())
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
    for (name, value) in
        [("kind", kind), ("digest", &inspection.digest), ("size", &size), ("code", &code), ("instance", &instance)]
    {
        let _ = writeln!(text, "{name:<9} {value}");
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

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
