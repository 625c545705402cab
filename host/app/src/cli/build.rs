//! `socklet build`: from a project to a component that this host would load.

use super::{exit::Failure, inspect, out};
use anyhow::{Context, anyhow};
use serde::Serialize;
use socklet_author::{Built, Project};
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Report {
    component: PathBuf,
    size: u64,
    digest: String,
}

/// Builds a project.
pub(super) fn build(folder: &Path, as_json: bool) -> Result<(), Failure> {
    let project = Project::read(folder).map_err(|error| anyhow!("{error}"))?;
    let (built, digest) = component(&project)?;
    let Built { component, size, .. } = built;
    if as_json {
        out::print_json(&Report { component, size, digest });
    } else {
        out::print(&format!("built {}, {}", component.display(), inspect::size(size)));
    }
    Ok(())
}

/// Builds a project, and sees to it that this host would load what was built. Also the digest of that.
pub(super) fn component(project: &Project) -> anyhow::Result<(Built, String)> {
    let built = socklet_author::build(project).map_err(|error| anyhow!("{error}")).context("failed to build")?;
    let bytes = std::fs::read(&built.component).context("failed to read what was built")?;
    let inspection = socklet_plugin::inspect(&bytes).context("what was built is not a plugin")?;
    match inspection.problems.as_slice() {
        [] => Ok((built, inspection.digest)),
        problems => Err(anyhow!("this host would not load what was built:\n  - {}", problems.join("\n  - "))),
    }
}
