//! What the documentation shows is so.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use socklet::Config;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The blocks of code of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A configuration may name components that are not built; it has no other mistake.
#[track_caller]
fn right_but_for_components(text: &str, path: &Path) {
    if let Err(mistakes) = Config::parse(text, path) {
        let others: Vec<_> =
            mistakes.iter().filter(|mistake| !mistake.message().starts_with("there is no file")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[test]
fn the_readme_shows_the_echo_plugin() {
    let readme = read("README.md");
    let echo = read("plugins/echo/src/lib.rs");
    let code = echo.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    assert_eq!(blocks(&readme, "rust")[0].trim(), code.trim());
}

#[test]
fn the_demo_is_a_configuration() {
    right_but_for_components(&read("plugins/demo/socklet.toml"), &repository().join("plugins/demo/socklet.toml"));
}

#[test]
fn the_guide_shows_a_configuration() {
    right_but_for_components(blocks(&read("host/docs/configuration.md"), "toml")[0], Path::new("guide.toml"));
}
