//! Makes a project of each kind in each language that this machine has the tools of, and builds it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use socklet_author::{AuthorError, Kind, Language, build, create};
use std::{fs, io::Write, path::Path};

/// Makes and builds a project. False, and said aloud, where a tool is missing.
fn builds(folder: &Path, language: Language, kind: Kind) -> bool {
    let created = create(&folder.join(kind.as_str()), "my-first", language, kind).unwrap();
    assert!(created.files.iter().any(|file| file == "README.md"), "{:?}", created.files);
    match build(&created.project) {
        Ok(built) => {
            let component = fs::read(built.component).unwrap();
            assert_eq!(component.get(..8), Some(b"\0asm\x0d\0\x01\0".as_slice()), "no component");
            true
        }
        Err(error @ AuthorError::Missing { .. }) => {
            // Past the test runner, which would keep it to itself.
            let line = format!("\n!!! SKIPPED: building {language} {kind}: {error}\n\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            false
        }
        Err(error) => panic!("{language} {kind}: {error}"),
    }
}

fn both(language: Language) {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::Behavior, Kind::Authenticator] {
        if !builds(folder.path(), language, kind) {
            return;
        }
    }
}

#[test]
fn builds_c() {
    both(Language::C);
}

#[test]
fn builds_go() {
    both(Language::Go);
}

#[test]
#[ignore = "compiles the SDK's dependencies twice, and asks cargo for them: a minute and a half"]
fn builds_rust() {
    both(Language::Rust);
}

#[test]
fn a_folder_with_something_in_it_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let error = create(folder.path(), "mine", Language::C, Kind::Behavior).unwrap_err();
    assert!(matches!(error, AuthorError::Occupied(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
