//! The tracked files of this clone.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A tracked file: its path from the top, with slashes, and its text.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The top of the clone.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Paths of the tracked files that still exist.
pub(crate) fn paths() -> Vec<String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git is installed");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let paths: Vec<String> =
        names.split_terminator('\0').filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    assert!(paths.len() > 100, "this is not the repository: {paths:?}");
    paths
}

/// The tracked text files whose path fits.
pub(crate) fn files(fits: impl Fn(&str) -> bool) -> Vec<File> {
    let paths = paths().into_iter().filter(|path| fits(path));
    let files = paths.filter_map(|path| {
        let bytes = std::fs::read(root().join(&path)).unwrap();
        Some(File { text: String::from_utf8(bytes).ok()?, path })
    });
    files.collect()
}

/// The text of a file.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with all of them, if there are any.
#[track_caller]
pub(crate) fn none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
