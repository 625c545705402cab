//! Plugins in every language: the examples are built as their authors build them, and keep the same conversations (tests/conformance),
//! by `socklet test` and by a real server.

mod dev;
mod play;

use socklet_tests::{command, finished_in, repository};
use std::{env, fs, path::PathBuf, time::Duration};

/// What the kit wants of a language.
const EXAMPLES: [&str; 4] = ["echo", "counter", "chat", "token-auth"];

/// How long a build may take, or to compile what was built: dependencies may have to be built, or a component of 18 MB to be compiled.
const PATIENCE: Duration = Duration::from_secs(900);

/// Builds the examples of a language, and has them keep every conversation.
async fn conform(language: &str) {
    let examples = repository().join("plugins/examples").join(language);
    let kit = tempfile::tempdir().unwrap();
    for example in EXAMPLES {
        let project = examples.join(example);
        let mut build = command(&["build", "."], &project);
        build.env("PATH", path());
        let (code, out, err) = finished_in(PATIENCE, build).await;
        assert_eq!(code, 0, "{language} {example}: {out}{err}");
        let component = format!("{example}.wasm");
        fs::copy(project.join("build").join(&component), kit.path().join(&component)).unwrap();
    }
    play::scripts(kit.path());
    let (code, out, err) = finished_in(PATIENCE, command(&["test", "."], kit.path())).await;
    assert_eq!(code, 0, "{language}: {out}{err}");
    play::all(kit.path()).await;
}

/// Where the tools of languages are: those that `make setup-LANGUAGE` has put below `.tools`, and the system's.
fn path() -> String {
    let tools = repository().join(".tools");
    let own = ["componentize-py", "go"].map(|name| tools.join(name).join("bin"));
    let system = env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().filter(|folder| folder.is_dir()).chain(env::split_paths(&system));
    env::join_paths(all).unwrap().into_string().unwrap()
}

#[tokio::test]
async fn plugins_in_c_conform() {
    conform("c").await;
}

#[tokio::test]
async fn plugins_in_javascript_conform() {
    conform("js").await;
}

#[tokio::test]
async fn plugins_in_python_conform() {
    conform("python").await;
}

#[tokio::test]
async fn plugins_in_rust_conform() {
    conform("rust").await;
}

#[tokio::test]
#[ignore = "for `make conformance-plugins`"]
async fn plugins_in_typescript_conform() {
    conform("ts").await;
}

#[tokio::test]
#[ignore = "for `make conformance-plugins`"]
async fn plugins_in_go_conform() {
    conform("go").await;
}

/// The folder of the kit's scripts.
fn kit() -> PathBuf {
    repository().join("tests/conformance")
}
