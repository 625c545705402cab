//! The folder of components that were sent: each by its digest, and for each plugin which of them is current.
//!
//! `blobs/sha256-….wasm` is a component; `plugins/NAME.json` says which one a plugin is, and
//! `plugins/TENANT.NAME.json` which one a tenant's own is. Both are there as a whole or not at all, and a
//! component is there before anything refers to it. So whenever the process ends, the next one finds what was current.

use crate::{
    durable::{StoreError, UNFINISHED, put},
    rfc3339::rfc3339,
};
use serde::{Deserialize, Serialize};
use socklet_core::PluginId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tracing::{info, warn};

/// The components that were sent.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    /// Held while files are written: one change at a time.
    writing: Mutex<()>,
    /// Held for a look into the map, never while something is written, and never across an await.
    records: Mutex<BTreeMap<PluginId, Record>>,
}

/// Which component a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The digest of the component that was sent; none: the plugin is what the configuration says.
    pub(crate) current: Option<String>,
    /// What a rollback would bring back, where that was sent, too. Means nothing to another process.
    #[serde(default)]
    pub(crate) before: Option<String>,
    /// When it was recorded.
    pub(crate) at: String,
    /// Who sent it.
    pub(crate) by: String,
}

/// A component that was sent and is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) path: PathBuf,
    /// `sha256:` and 64 hex digits.
    pub(crate) digest: String,
}

const BLOBS: &str = "blobs";
const PLUGINS: &str = "plugins";
/// The permissions of group and others to write.
const OTHERS: u32 = 0o022;

// === impl Uploads ===

impl Uploads {
    /// Opens the folder, which is made where it is not there. What nothing refers to is removed.
    ///
    /// # Errors
    ///
    /// When it cannot be used: it, or a record in it, cannot be read, or others can change it.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        for folder in [folder, &folder.join(BLOBS), &folder.join(PLUGINS)] {
            let failed = |source| StoreError { path: folder.to_owned(), source };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            private(folder).map_err(failed)?;
        }
        let uploads = Self { folder: folder.to_owned(), writing: Mutex::default(), records: Mutex::default() };
        *uploads.records() = uploads.read()?;
        uploads.collect();
        Ok(uploads)
    }

    /// What was sent for a plugin, where that is current.
    pub(crate) fn current(&self, plugin: &PluginId) -> Option<Upload> {
        let digest = self.records().get(plugin)?.current.clone()?;
        Some(Upload { path: self.blob(&digest), digest })
    }

    /// Which component a plugin is, where one was ever sent.
    pub(crate) fn record(&self, plugin: &PluginId) -> Option<Record> {
        self.records().get(plugin).cloned()
    }

    /// The plugins of which a component that was sent is current.
    pub(crate) fn plugins(&self) -> Vec<PluginId> {
        let records = self.records();
        records.iter().filter(|(_, record)| record.current.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// Keeps a component. Nothing refers to it yet.
    pub(crate) fn keep(&self, digest: &str, component: &[u8]) -> Result<Upload, StoreError> {
        let path = self.blob(digest);
        let _one_at_a_time = self.writing();
        if path.metadata().is_ok_and(|metadata| metadata.len() == component.len() as u64) {
            return Ok(Upload { path, digest: digest.to_owned() });
        }
        put(&path, component)?;
        Ok(Upload { path, digest: digest.to_owned() })
    }

    /// Records what a plugin is from now on: a component that was kept, or what the configuration says. When it fails, everything is
    /// as it was.
    pub(crate) fn set(&self, plugin: &PluginId, current: Option<&str>, by: &str) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing();
        let last = self.record(plugin);
        if last.is_none() && current.is_none() {
            return Ok(());
        }
        let current = current.map(str::to_owned);
        let before = match last {
            // The same again changes nothing of what a rollback brings back.
            Some(last) if last.current == current => last.before,
            last => last.and_then(|last| last.current),
        };
        self.write(plugin, Record { current, before, at: rfc3339(SystemTime::now()), by: by.to_owned() })
    }

    /// A plugin has gone back to an earlier version, which has this digest: so that a restart does not bring the other one back.
    pub(crate) fn went_back(&self, plugin: &PluginId, digest: &str, by: &str) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing();
        let Some(Record { current, before, .. }) = self.record(plugin) else { return Ok(()) };
        if current.as_deref() == Some(digest) {
            return Ok(());
        }
        let sent = before.filter(|before| before == digest);
        self.write(plugin, Record { current: sent, before: current, at: rfc3339(SystemTime::now()), by: by.to_owned() })
    }

    /// Removes components that nothing refers to: one that was kept and then refused, for example.
    pub(crate) fn tidy(&self) {
        let _one_at_a_time = self.writing();
        self.collect();
    }

    fn write(&self, plugin: &PluginId, record: Record) -> Result<(), StoreError> {
        let path = self.folder.join(PLUGINS).join(format!("{}.json", plugin.to_string().replace('/', ".")));
        let text = serde_json::to_vec(&record)
            .map_err(|error| StoreError { path: path.clone(), source: io::Error::other(error) })?;
        put(&path, &text)?;
        self.records().insert(plugin.clone(), record);
        self.collect();
        Ok(())
    }

    fn read(&self) -> Result<BTreeMap<PluginId, Record>, StoreError> {
        let folder = self.folder.join(PLUGINS);
        let mut records = BTreeMap::new();
        for path in files(&folder)? {
            let failed = |source| StoreError { path: path.clone(), source };
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let Ok(plugin) = stem.replacen('.', "/", 1).parse::<PluginId>() else { continue };
            let text = fs::read(&path).map_err(failed)?;
            let mut record: Record = serde_json::from_slice(&text)
                .map_err(|error| failed(io::Error::other(format!("not a record of an upload: {error}"))))?;
            // A new process has no version to go back to.
            record.before = None;
            if record.current.is_none() {
                fs::remove_file(&path).map_err(failed)?;
                continue;
            }
            records.insert(plugin, record);
        }
        Ok(records)
    }

    /// Removes what nothing refers to, and what is unfinished.
    fn collect(&self) {
        let used: BTreeSet<PathBuf> = self
            .records()
            .values()
            .flat_map(|record| [&record.current, &record.before])
            .flatten()
            .map(|digest| self.blob(digest))
            .collect();
        let unfinished = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(UNFINISHED))
        };
        let found = |name| files(&self.folder.join(name)).unwrap_or_default().into_iter();
        let blobs = found(BLOBS).filter(|path| !used.contains(path));
        for path in blobs.chain(found(PLUGINS).filter(unfinished)) {
            match fs::remove_file(&path) {
                Ok(()) => info!(path = %path.display(), "removed a component that is not used any more"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    warn!(%error, path = %path.display(), "failed to remove a component that is not used any more")
                }
            }
        }
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.folder.join(BLOBS).join(format!("{}.wasm", digest.replace(':', "-")))
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<PluginId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody else can change what is in a folder: it becomes code of this process.
fn private(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user: use a folder of your own"));
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(io::Error::other("others can write to it: run chmod go-w on it"));
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError { path: folder.to_owned(), source };
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    fn digest(mark: char) -> String {
        format!("sha256:{}", mark.to_string().repeat(64))
    }

    fn name(plugin: &str) -> PluginId {
        plugin.parse().unwrap()
    }

    fn blobs(folder: &Path) -> usize {
        files(&folder.join(BLOBS)).unwrap().len()
    }

    #[test]
    fn what_is_current_is_found_again_and_what_nothing_refers_to_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (chat, echo) = (name("chat"), name("acme/echo"));
        {
            let uploads = Uploads::open(folder.path()).unwrap();
            assert_eq!(uploads.current(&chat), None);
            for (plugin, mark) in [(&chat, 'a'), (&chat, 'b'), (&echo, 'b'), (&chat, 'c')] {
                uploads.keep(&digest(mark), mark.to_string().as_bytes()).unwrap();
                uploads.set(plugin, Some(&digest(mark)), "ada").unwrap();
            }
            // The first one: nothing goes back to it any more.
            assert_eq!(blobs(folder.path()), 2);
            uploads.keep(&digest('d'), b"refused").unwrap();
            uploads.tidy();
            assert_eq!(blobs(folder.path()), 2);
        }
        let uploads = Uploads::open(folder.path()).unwrap();
        let current = uploads.current(&chat).unwrap();
        assert_eq!((current.digest.clone(), fs::read(&current.path).unwrap()), (digest('c'), b"c".to_vec()));
        assert_eq!(uploads.plugins(), [chat.clone(), echo.clone()]);
        uploads.set(&echo, None, "ada").unwrap();
        assert_eq!((uploads.current(&echo), blobs(folder.path())), (None, 2), "a rollback may bring it back");
        let uploads = Uploads::open(folder.path()).unwrap();
        assert_eq!((uploads.record(&echo), blobs(folder.path())), (None, 1));
    }

    #[test]
    fn going_back_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let chat = name("chat");
        let uploads = Uploads::open(folder.path()).unwrap();
        uploads.went_back(&chat, &digest('0'), "ada").unwrap();
        assert_eq!(uploads.record(&chat), None);
        for mark in ['a', 'b'] {
            uploads.keep(&digest(mark), b"component").unwrap();
            uploads.set(&chat, Some(&digest(mark)), "ada").unwrap();
        }
        let current = || uploads.current(&chat).map(|upload| upload.digest);
        uploads.went_back(&chat, &digest('a'), "ada").unwrap();
        assert_eq!(current(), Some(digest('a')));
        uploads.went_back(&chat, &digest('b'), "ada").unwrap();
        assert_eq!(current(), Some(digest('b')), "there and back again");
        // To what is configured, and back.
        uploads.went_back(&chat, &digest('0'), "ada").unwrap();
        assert_eq!(current(), None);
        uploads.went_back(&chat, &digest('b'), "ada").unwrap();
        assert_eq!(current(), Some(digest('b')));
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused_and_so_is_a_broken_record() {
        let folder = tempfile::tempdir().unwrap();
        drop(Uploads::open(folder.path()).unwrap());
        fs::write(folder.path().join(PLUGINS).join("chat.json"), "{").unwrap();
        let error = Uploads::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("chat.json: not a record of an upload"), "{error}");
        fs::remove_file(folder.path().join(PLUGINS).join("chat.json")).unwrap();
        fs::set_permissions(folder.path().join(BLOBS), Permissions::from_mode(0o770)).unwrap();
        let error = Uploads::open(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("others can write to it: run chmod go-w on it"), "{error}");
    }
}
