//! Go.

use crate::{AuthorError, Project, world::World};

pub(super) fn prepare(project: &Project, world: &World) -> Result<(), AuthorError> {
    let generator = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        pkg_name: Some("socklet/sdk/bindings".to_owned()),
        quiet: true,
        ..Default::default()
    }
    .build();
    super::bindings::write(generator, world, &project.generated().join("bindings"))
}

pub(super) fn compile(_project: &Project, _world: &World) -> Result<Vec<u8>, AuthorError> {
    Ok(Vec::new())
}
