//! LANG.

use crate::{AuthorError, Project, world::World};

pub(super) fn prepare(_project: &Project, _world: &World) -> Result<(), AuthorError> {
    Ok(())
}

pub(super) fn compile(_project: &Project, _world: &World) -> Result<Vec<u8>, AuthorError> {
    Ok(Vec::new())
}
