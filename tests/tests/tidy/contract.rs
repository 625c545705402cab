//! Tracks of the contract (`wit/vX.Y`) against the digests beside them (`wit/vX.Y.sha256`).
//!
//! A digest covers the WIT without its comments and white space. The first line of a list is `# unreleased` or `# released`. While a
//! track is unreleased, `UPDATE=1 cargo test -p socklet-tests --test tidy contract` writes the list anew. What was released stays:
//! a change that `wit/README.md` allows within a track is a line that is edited by hand, in a commit that says why it is allowed.

use crate::repository::{files, paths, read, root};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write};

const UNRELEASED: &str = "# unreleased";
const RELEASED: &str = "# released";

/// The digest of each file of a track, by its path inside the track.
fn digests(track: &str) -> BTreeMap<String, String> {
    let folder = format!("wit/{track}/");
    let files = files(|path| path.starts_with(&folder) && path.ends_with(".wit"));
    let digest = |text: &str| {
        Sha256::digest(essence(text)).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    files.into_iter().map(|file| (file.path[folder.len()..].to_owned(), digest(&file.text))).collect()
}

/// WIT without its line comments, and with single spaces.
fn essence(wit: &str) -> String {
    assert!(!wit.contains("/*"), "block comments are not understood here");
    let code = wit.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// The lines of a list.
fn list(head: &str, digests: &BTreeMap<String, String>) -> String {
    digests.iter().fold(format!("{head}\n"), |mut list, (file, digest)| {
        writeln!(list, "{digest}  {file}").unwrap();
        list
    })
}

#[test]
fn every_track_is_what_its_digests_say() {
    let paths = paths();
    let mut tracks: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("wit/v"))
        .filter_map(|path| path.split_once('/'))
        .map(|(track, _)| track)
        .collect();
    tracks.dedup();
    assert!(!tracks.is_empty());
    let update = std::env::var_os("UPDATE").is_some();
    for track in tracks {
        let track = format!("v{track}");
        let digests = digests(&track);
        let path = format!("wit/{track}.sha256");
        if update && !(root().join(&path).exists() && read(&path).starts_with(RELEASED)) {
            std::fs::write(root().join(&path), list(UNRELEASED, &digests)).unwrap();
        }
        let committed = read(&path);
        let head = committed.lines().next().unwrap_or_default();
        assert!([UNRELEASED, RELEASED].contains(&head), "{path} begins with neither {UNRELEASED:?} nor {RELEASED:?}");
        let hint = match head {
            UNRELEASED => "UPDATE=1 cargo test -p socklet-tests --test tidy contract",
            _ => "it was released: see wit/README.md for what may change at all",
        };
        assert_eq!(list(head, &digests), committed, "wit/{track} is not what {path} says; {hint}");
    }
}

#[test]
fn comments_are_free_and_types_are_not() {
    let wit = "/// Old.\nrecord a { // why\n    b: u8,\n}\n";
    assert_eq!(essence(wit), essence("/// New.\nrecord a {\n  b: u8, }"));
    assert_ne!(essence(wit), essence(&wit.replace("u8", "u16")));
}
