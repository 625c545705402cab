//! Writes the bindings of a world, as a generator of wit-bindgen makes them.

use crate::{AuthorError, embedded, world::World};
use std::path::Path;
use wit_bindgen_core::{Files, WorldGenerator};

/// Generates into a folder. Files that would be the same are left alone.
pub(super) fn write(generator: Box<dyn WorldGenerator>, world: &World, folder: &Path) -> Result<(), AuthorError> {
    write_with(generator, world, folder, str::to_owned)
}

/// The same, with each text changed.
pub(super) fn write_with(
    mut generator: Box<dyn WorldGenerator>,
    world: &World,
    folder: &Path,
    change: impl Fn(&str) -> String,
) -> Result<(), AuthorError> {
    let mut files = Files::default();
    // The generator may rename types in what it reads.
    let mut resolve = world.resolve.clone();
    generator
        .generate(&mut resolve, world.id, &mut files)
        .map_err(|error| AuthorError::Component { doing: "failed to generate bindings", error })?;
    for (name, text) in files.iter() {
        let text = change(&String::from_utf8_lossy(text));
        embedded::put(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
