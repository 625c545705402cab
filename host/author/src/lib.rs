//! What authors of plugins use: `create` makes a project, `build` makes a component of one, in seven languages.
//!
//! A project is a folder with a `plugin.toml` and what its language expects. Everything that depends on this version of the
//! host (contract, SDK, bindings) is written into `.socklet` below it at each build, and nobody keeps that; so a project moves to a
//! newer SDK by being built with a newer `socklet`.

mod build;
mod create;
mod embedded;
mod encode;
mod error;
mod language;
mod languages;
mod probe;
mod project;
mod serve;
mod tool;
mod world;

pub use build::{Built, build};
pub use create::{Created, create};
pub use error::AuthorError;
pub use language::{Kind, Language};
pub use project::{MANIFEST, OptionalExport, Project};
pub use serve::{CONFIGURATION, configuration};
