//! Tells whether a file is still the one that was read, without reading it again.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that was changed so shortly before it was read may have been changed again since, in the same tick of its clock.
const TICK: Duration = Duration::from_secs(2);

// === impl Stamp ===

impl Stamp {
    /// Of a file that is about to be read. None where a later change might not show.
    pub(crate) fn new(file: &Metadata) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let stamp = Self::of(file);
        let last = u64::try_from(stamp.modified.0.max(stamp.changed.0)).ok()?;
        (Duration::from_secs(last) + TICK < now).then_some(stamp)
    }

    /// Whether a file is that one, and was not changed.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|file| Self::of(&file) == *self)
    }

    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_just_written_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        assert_eq!(Stamp::new(&path.metadata().unwrap()), None);
        // The binary that runs was written long enough ago.
        let old = std::env::current_exe().unwrap();
        let stamp = Stamp::of(&old.metadata().unwrap());
        assert!(stamp.is_of(&old) && !stamp.is_of(&path) && !stamp.is_of(&folder.path().join("gone")));
    }
}
