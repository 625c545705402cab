//! Writes the bindings of a world, as a generator of wit-bindgen makes them.

use crate::{AuthorError, embedded, world::World};
use std::path::Path;
use wit_bindgen_core::{Files, WorldGenerator};

/// Generates into a folder. Files that would be the same are left alone.
pub(super) fn write(mut generator: Box<dyn WorldGenerator>, world: &World, folder: &Path) -> Result<(), AuthorError> {
    let mut files = Files::default();
    // The generator may rename types in what it reads.
    let mut resolve = world.resolve.clone();
    generator
        .generate(&mut resolve, world.id, &mut files)
        .map_err(|error| AuthorError::Component { doing: "failed to generate bindings", error })?;
    for (name, text) in files.iter() {
        embedded::put(&folder.join(name), text)?;
    }
    Ok(())
}
