//! The files that are in the program: the contract, the SDKs, what new projects are made of.

use crate::AuthorError;
use rust_embed::RustEmbed;
use std::{fs, path::Path};

/// `wit/v0.1`.
#[derive(RustEmbed)]
#[folder = "../../wit/v0.1"]
pub(crate) struct Contract;

/// A folder `LANGUAGE/KIND` for each language and kind, and `LANGUAGE/common`.
#[derive(RustEmbed)]
#[folder = "templates"]
pub(crate) struct Templates;

/// `plugins/sdk-rust`.
#[derive(RustEmbed)]
#[folder = "../../plugins/sdk-rust"]
pub(crate) struct SdkRust;

/// `plugins/sdk-c`.
#[derive(RustEmbed)]
#[folder = "../../plugins/sdk-c"]
pub(crate) struct SdkC;

/// What JavaScript and TypeScript import as `#socklet`.
#[derive(RustEmbed)]
#[folder = "../../plugins/sdk-js"]
pub(crate) struct SdkJs;

/// `plugins/sdk-go`.
#[derive(RustEmbed)]
#[folder = "../../plugins/sdk-go"]
pub(crate) struct SdkGo;

/// What Python imports as `socklet`.
#[derive(RustEmbed)]
#[folder = "../../plugins/sdk-python"]
pub(crate) struct SdkPython;

/// Writes the files below a prefix into a folder, each after `change` had a look at its name and text. Files that are the same already
/// are left alone, so that nothing is built again because of them.
pub(crate) fn write<E: RustEmbed>(
    prefix: &str,
    folder: &Path,
    change: impl Fn(&str, String) -> (String, String),
) -> Result<Vec<String>, AuthorError> {
    let mut written = Vec::new();
    for path in E::iter() {
        // What tests of an SDK leave behind is no part of it.
        let name = path.strip_prefix(prefix).filter(|name| !name.contains("__pycache__"));
        let (Some(name), Some(file)) = (name, E::get(&path)) else { continue };
        let bytes = file.data.into_owned();
        let (name, bytes) = match String::from_utf8(bytes) {
            Ok(text) => {
                let (name, text) = change(name, text);
                (name, text.into_bytes())
            }
            Err(error) => (name.to_owned(), error.into_bytes()),
        };
        put(&folder.join(&name), &bytes)?;
        written.push(name);
    }
    Ok(written)
}

/// Makes a folder what is embedded: writes the files as they are, and removes what an older version has left.
pub(crate) fn mirror<E: RustEmbed>(folder: &Path) -> Result<(), AuthorError> {
    let written = write::<E>("", folder, |name, text| (name.to_owned(), text))?;
    prune(folder, &|path| written.iter().any(|name| folder.join(name) == path))
}

/// Removes the files below a folder that are not to stay.
fn prune(folder: &Path, stays: &dyn Fn(&Path) -> bool) -> Result<(), AuthorError> {
    let failed = |error| AuthorError::File { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            prune(&path, stays)?;
        } else if !stays(&path) {
            fs::remove_file(&path).map_err(|error| AuthorError::File { path, error })?;
        }
    }
    Ok(())
}

/// Writes a file and the folders above it, unless it is the same already.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), AuthorError> {
    let failed = |error| AuthorError::File { path: path.to_owned(), error };
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
