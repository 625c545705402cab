//! Where things are: components, the binary, folders of this clone.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

const GUESTS: &str = "tests/guests/target/wasm32-wasip2/release/examples";
const STOCK: &str = "plugins/target/wasm32-wasip2/release";

/// The folder of this clone.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is in a folder of the repository")
}

/// A guest of `tests/guests`, such as `reporter`.
///
/// # Panics
///
/// When it was not built.
pub fn guest(name: &str) -> PathBuf {
    built(repository().join(GUESTS).join(format!("{name}.wasm")), "make guests")
}

/// A component that differs from another in nothing but its digest.
///
/// # Panics
///
/// When there is no such file.
pub fn marked(component: &Path, mark: u8) -> Vec<u8> {
    let mut bytes = fs::read(component).expect("a component can be read");
    // A custom section: its id, its size, the size of its name, the name, what is in it.
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

/// The names of every guest.
pub fn guests() -> Vec<String> {
    let folder = fs::read_dir(repository().join("tests/guests/examples")).expect("the guests' folder can be read");
    let name = |file: fs::DirEntry| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned());
    let mut names: Vec<_> = folder.filter_map(|file| name(file.ok()?)).collect();
    names.sort();
    names
}

/// A stock plugin, such as `basic_auth`.
///
/// # Panics
///
/// When it was not built.
pub fn stock(name: &str) -> PathBuf {
    built(repository().join(STOCK).join(format!("{name}.wasm")), "make plugins")
}

/// The binary that operators run.
///
/// # Panics
///
/// When it was not built for the profile of this test.
pub fn binary() -> PathBuf {
    built(profile().join("socklet"), "cargo build -p socklet")
}

/// A folder below Cargo's target folder that is left to the tests.
pub fn target() -> PathBuf {
    profile().join("socklet-tests")
}

/// The folder of compiled components that all tests share.
pub(crate) fn cache() -> PathBuf {
    target().join("cache")
}

/// The target folder of the profile that this test was built for.
fn profile() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("Cargo puts tests into `deps`").to_owned()
}

fn built(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `{how}` first", path.display());
    path
}
