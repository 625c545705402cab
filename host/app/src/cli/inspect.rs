//! `socklet inspect`: what a plugin is, and what it needs.

use super::{exit::Failure, out};
use anyhow::Context;
use std::path::Path;

/// Shows a component.
pub(super) fn inspect(path: &Path, as_json: bool) -> Result<(), Failure> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let inspection =
        socklet_plugin::inspect(&bytes).with_context(|| format!("failed to inspect {}", path.display()))?;
    out::print_json(&inspection);
    let _ = as_json;
    Ok(())
}
