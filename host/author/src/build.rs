//! `socklet build`: from a project to a component.

use crate::{AuthorError, Project, embedded, languages, world};
use std::path::PathBuf;

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The component's file.
    pub component: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// Builds a project by its language's tools, which print to the standard error. The component is replaced when all went well, and else
/// not touched.
///
/// # Errors
///
/// When a tool is not installed or says no.
pub fn build(project: &Project) -> Result<Built, AuthorError> {
    let world = world::write(project)?;
    languages::prepare(project, &world)?;
    let bytes = languages::compile(project, &world)?;
    let component = project.component();
    let new = component.with_extension("wasm.new");
    embedded::put(&new, &bytes)?;
    std::fs::rename(&new, &component).map_err(|error| AuthorError::File { path: component.clone(), error })?;
    Ok(Built { component, size: bytes.len() as u64 })
}
