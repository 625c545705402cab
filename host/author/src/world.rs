//! The world of one project: its kind's, and the optional exports that it says it has.

use crate::{AuthorError, Kind, Project, embedded};
use std::path::PathBuf;
use wit_parser::{Resolve, WorldId};

/// What the world is called.
pub(crate) const WORLD: &str = "this";

/// The contract with the project's world in it, as files and as read.
#[derive(Debug)]
pub(crate) struct World {
    /// The folder of WIT files, for tools that read it themselves.
    #[allow(dead_code, reason = "for the languages whose tools read WIT themselves")]
    pub(crate) folder: PathBuf,
    /// All of it.
    pub(crate) resolve: Resolve,
    /// [`WORLD`] in it.
    pub(crate) id: WorldId,
}

/// Writes the contract and the project's world into `.socklet/wit`, and reads it.
pub(crate) fn write(project: &Project) -> Result<World, AuthorError> {
    let folder = project.generated().join("wit");
    embedded::write::<embedded::Contract>("", &folder, |name, text| (name.to_owned(), text))?;
    embedded::put(&folder.join("this.wit"), text(project).as_bytes())?;
    let failed = |error| AuthorError::Component { doing: "failed to read the contract", error };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&folder).map_err(failed)?;
    let id = resolve.select_world(&[package], Some(WORLD)).map_err(failed)?;
    Ok(World { folder, resolve, id })
}

fn text(project: &Project) -> String {
    let kind = match project.kind {
        Kind::Behavior => "behavior-plugin",
        Kind::Authenticator => "authenticator-plugin",
    };
    let exports: String = project.exports.iter().map(|export| format!("    export {};\n", export.as_str())).collect();
    format!("/// The world of {}.\nworld {WORLD} {{\n    include {kind};\n{exports}}}\n", project.name)
}
