//! What the console takes from other projects is what its lock file pins.

use crate::repository::{paths, read, root};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

const CONSOLE: &str = "host/app/console/";

fn sum(path: &str) -> String {
    Sha256::digest(std::fs::read(root().join(path)).unwrap()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn vendored_files_are_those_of_the_lock_file() {
    let list = read(&format!("{CONSOLE}vendored.sha256"));
    let mut listed = Vec::new();
    for line in list.lines() {
        let (expected, path) = line.split_once("  ").unwrap();
        let path = format!("{CONSOLE}{path}");
        assert_eq!(sum(&path), expected, "{path} was changed; {CONSOLE}vendor.sh makes it anew");
        listed.push(path);
    }
    assert!(listed.contains(&format!("{CONSOLE}package-lock.json")), "the sums belong to one lock file: {list}");
    for path in paths().iter().filter(|path| path.starts_with(&format!("{CONSOLE}vendor/"))) {
        assert!(listed.contains(path), "where does {path} come from?");
    }
}
