//! What each language needs beside a project's own files, and how a component is made of them.

mod bindings;
mod c;
mod go;
mod javascript;
mod python;
mod rust;

use crate::{AuthorError, Kind, Language, Project, probe, world::World};

/// Writes what the project's own files refer to, and what editors read: SDK, bindings, types. Needs no tool.
pub(crate) fn prepare(project: &Project, world: &World) -> Result<(), AuthorError> {
    if project.kind == Kind::Authenticator {
        probe::write(project)?;
    }
    match project.language {
        Language::Rust => rust::prepare(project, world),
        Language::Js | Language::Ts => javascript::prepare(project, world),
        Language::Python => python::prepare(project, world),
        Language::Go => go::prepare(project, world),
        Language::C => c::prepare(project, world),
    }
}

/// Compiles a project that was prepared, and returns the component.
pub(crate) fn compile(project: &Project, world: &World) -> Result<Vec<u8>, AuthorError> {
    match project.language {
        Language::Rust => rust::compile(project, world),
        Language::Js | Language::Ts => javascript::compile(project, world),
        Language::Python => python::compile(project, world),
        Language::Go => go::compile(project, world),
        Language::C => c::compile(project, world),
    }
}
