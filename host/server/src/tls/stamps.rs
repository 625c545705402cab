//! Tells whether files are still those that were read.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// What some files are recognized by: when one is replaced or written, these are others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(Vec<Option<Stamp>>);

/// Of one file; none when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

// === impl Stamps ===

impl Stamps {
    /// Looks at files.
    pub(super) fn of<'p>(files: impl Iterator<Item = &'p Path>) -> Self {
        // At the files themselves, where paths are links: that is how Kubernetes replaces secrets.
        let stamp = |path| {
            let file = fs::metadata(path).ok()?;
            Some(Stamp {
                device: file.dev(),
                inode: file.ino(),
                size: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            })
        };
        Self(files.map(stamp).collect())
    }
}
