//! Keeps compiled components in a private folder. Several processes may share it.

use crate::{
    artifact::{Artifact, MAX_ARTIFACT, Origin, SealKey},
    error::EngineError,
};
use std::{
    cmp::Reverse,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tempfile::NamedTempFile;
use tracing::warn;

/// The file with the key.
const KEY_FILE: &str = "key";
/// Bytes of all compiled components. Those that were not used for longest go first.
const MAX_TOTAL: u64 = 4 << 30;
/// What is unfinished for longer was left behind by a process that died.
const UNFINISHED: Duration = Duration::from_secs(3600);
/// How unfinished files begin.
const TEMPORARY: &str = "new-";

/// The folder of compiled components.
pub(crate) struct Cache {
    folder: PathBuf,
    key: SealKey,
}

// === impl Cache ===

impl Cache {
    /// Opens the folder; makes it, and the key in it, where they are missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, EngineError> {
        let failed = |reason: String| EngineError::Cache { path: folder.to_owned(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(error.to_string()))?;
        let metadata = fs::symlink_metadata(folder).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(failed("it is not a folder: name the folder itself, not a link to it".into()));
        }
        private(&metadata).map_err(failed)?;
        let key = key(folder).map_err(|error| failed(format!("its key cannot be used: {error}")))?;
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// A compiled component, where there is one that this host wrote and nobody changed.
    pub(crate) fn get(&self, origin: &Origin) -> Option<Artifact> {
        let path = self.folder.join(origin.file_name());
        let sealed = match read(&path, MAX_ARTIFACT) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(%error, digest = origin.digest, "failed to read a compiled plugin, compiling it again");
                return None;
            }
        };
        let artifact = Artifact::unseal(&self.key, origin, sealed);
        if artifact.is_some() {
            // Only for the order in which files go: it does not matter when it fails.
            let _ = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        } else {
            warn!(digest = origin.digest, "a compiled plugin is damaged or not this host's, compiling it again");
        }
        artifact
    }

    /// Keeps a compiled component. Whoever reads finds all of it or nothing.
    pub(crate) fn put(&self, origin: &Origin, artifact: &Artifact) -> io::Result<()> {
        let file = temporary(&self.folder, &artifact.seal(&self.key, origin))?;
        file.persist(self.folder.join(origin.file_name()))?;
        File::open(&self.folder)?.sync_all()?;
        self.prune(MAX_TOTAL)
    }

    /// Removes what is unfinished since long, and what was not used for longest until the rest has at most `total` bytes. Another
    /// process that wants one of these compiles it again.
    fn prune(&self, total: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() != KEY_FILE {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path(), entry.file_name()));
            }
        }
        files.sort_by_key(|file| Reverse(file.0));
        let mut kept = 0;
        for (modified, size, path, name) in files {
            let unfinished = name.to_string_lossy().starts_with(TEMPORARY);
            let age = SystemTime::now().duration_since(modified).unwrap_or_default();
            if !unfinished {
                kept += size;
            }
            let goes = if unfinished { age > UNFINISHED } else { kept > total };
            if goes {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The key of a folder; a new one where there is none. When two processes make one at once, both use the first.
fn key(folder: &Path) -> io::Result<SealKey> {
    let path = folder.join(KEY_FILE);
    if !path.try_exists()? {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        match temporary(folder, &bytes)?.persist_noclobber(&path) {
            Ok(_) => File::open(folder)?.sync_all()?,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
        }
    }
    private(&fs::symlink_metadata(&path)?).map_err(io::Error::other)?;
    let bytes = read(&path, 33)?;
    let bytes = bytes.try_into().map_err(|_| io::Error::other("it does not have 32 bytes: remove it"))?;
    Ok(SealKey::from_bytes(bytes))
}

/// Whether only this user can reach it.
fn private(metadata: &fs::Metadata) -> Result<(), String> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user: use a folder of your own".into());
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err("others can reach it: run chmod go-rwx on it".into());
    }
    Ok(())
}

fn temporary(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::digest;
    use wasmtime::Engine;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    #[test]
    fn what_is_kept_is_found_by_every_process_and_only_undamaged() {
        let folder = folder();
        let engine = Engine::default();
        let origin = Origin::new(&engine, &digest(EMPTY));
        let cache = Cache::open(folder.path()).unwrap();
        assert!(cache.get(&origin).is_none());
        cache.put(&origin, &Artifact::compile(&engine, EMPTY).unwrap()).unwrap();
        let other_process = Cache::open(folder.path()).unwrap();
        assert!(other_process.get(&origin).is_some());

        let path = folder.path().join(origin.file_name());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(cache.get(&origin).is_none());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = folder();
        let cache = Cache::open(folder.path()).unwrap();
        let age = |name: &str, hours: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        };
        for (name, hours) in [("old", 3), ("older", 4), ("young", 2), ("new-dead", 5), ("new-fresh", 0)] {
            age(name, hours);
        }
        cache.prune(250).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["key", "new-fresh", "old", "young"]);
    }

    #[test]
    fn a_folder_that_others_can_reach_is_refused() {
        let folder = folder();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).unwrap();
        assert!(Cache::open(folder.path()).is_err_and(|error| error.to_string().contains("chmod")));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = folder();
        Cache::open(folder.path()).unwrap();
        fs::set_permissions(folder.path().join(KEY_FILE), Permissions::from_mode(0o644)).unwrap();
        assert!(Cache::open(folder.path()).is_err());
    }

    #[test]
    fn a_link_to_a_folder_is_refused() {
        let folder = folder();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(Cache::open(&link).is_err());
    }
}
