//! Files that are there as a whole, and last, or not at all.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// What cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(crate) struct StoreError {
    pub(crate) path: PathBuf,
    #[source]
    pub(crate) source: io::Error,
}

/// How unfinished files begin.
pub(crate) const UNFINISHED: &str = ".new-";

/// Writes a file that only its owner can read: it may have secrets. Whenever the process ends, there is the new one or what was there before.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = || {
        let mut builder = tempfile::Builder::new();
        let mut file: NamedTempFile =
            builder.prefix(UNFINISHED).permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    new().map_err(failed)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    match fs::remove_file(path) {
        Ok(()) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
