//! Notices what is saved in a project: looks at its files a few times a second, whatever they are kept on.

use socklet_author::{CONFIGURATION, MANIFEST};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at. What has changed must be the same at the next look: an editor may still be writing.
const LOOK: Duration = Duration::from_millis(200);
/// The most files that are looked at: who has more has put something else there.
const MAX_FILES: usize = 10_000;
/// What builds write to, and what is not source. Names that begin with a dot are not, either; nor logs, nor what editors leave behind.
const IGNORED: [&str; 8] = ["build", "target", "node_modules", "__pycache__", "zig-out", "zig-cache", "dist", "venv"];

/// What was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// Something that is built.
    Source,
    /// What is served, or what is built.
    Configuration,
}

/// The files of a project as they were seen last.
#[derive(Debug)]
pub(super) struct Watch {
    folder: PathBuf,
    seen: Files,
}

/// When each file was written, and its size.
type Files = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

// === impl Watch ===

impl Watch {
    pub(super) fn new(folder: PathBuf) -> Self {
        let seen = files(&folder);
        Self { folder, seen }
    }

    /// What is there now is known.
    pub(super) fn seen(&mut self) {
        self.seen = files(&self.folder);
    }

    /// Waits until something is saved that is not known. It stays unknown until [`Watch::seen`]. Cancel-safe.
    pub(super) async fn changed(&mut self) -> Changed {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        loop {
            looks.tick().await;
            let now = files(&self.folder);
            if now == self.seen {
                before = None;
            } else if before.as_ref() == Some(&now) {
                let is_other = |name: &str| {
                    let path = self.folder.join(name);
                    self.seen.get(&path) != now.get(&path)
                };
                let configuration = [CONFIGURATION, MANIFEST].into_iter().any(is_other);
                return if configuration { Changed::Configuration } else { Changed::Source };
            } else {
                before = Some(now);
            }
        }
    }
}

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that goes while it is looked at has nothing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(metadata) = entry.metadata() else { continue };
            let is_left = name.starts_with('.') || name.ends_with(".log") || name.ends_with('~');
            if is_left || IGNORED.contains(&&*name) || found.len() == MAX_FILES {
                continue;
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() {
                found.insert(entry.path(), (metadata.modified().ok(), metadata.len()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn what_is_saved_is_noticed_and_what_is_built_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/a.rs", "1");
        write(CONFIGURATION, "1");
        let mut watch = Watch::new(folder.path().to_owned());
        let patience = Duration::from_secs(10);
        write("build/a.wasm", "1");
        write("target/debug/a", "1");
        write(".socklet/sdk/a", "1");
        write("dev.log", "1");
        write("src/a.rs~", "1");
        timeout(patience, watch.changed()).await.unwrap_err();
        write("src/a.rs", "22");
        assert_eq!(timeout(patience, watch.changed()).await, Ok(Changed::Source));
        assert_eq!(timeout(patience, watch.changed()).await, Ok(Changed::Source), "until it was seen");
        watch.seen();
        timeout(patience, watch.changed()).await.unwrap_err();
        write("src/b/c.rs", "new");
        write(MANIFEST, "new");
        assert_eq!(timeout(patience, watch.changed()).await, Ok(Changed::Configuration));
        watch.seen();
        fs::remove_file(folder.path().join("src/b/c.rs")).unwrap();
        assert_eq!(timeout(patience, watch.changed()).await, Ok(Changed::Source));
    }
}
