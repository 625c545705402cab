//! Zig: not yet.

use crate::{AuthorError, Project, world::World};

pub(super) fn prepare(_project: &Project, _world: &World) -> Result<(), AuthorError> {
    Err(AuthorError::NotYet("Zig"))
}

pub(super) fn compile(_project: &Project, _world: &World) -> Result<Vec<u8>, AuthorError> {
    Err(AuthorError::NotYet("Zig"))
}
