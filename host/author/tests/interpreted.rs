//! Projects in JavaScript, TypeScript and Python: made, built, and their own tests run. And the tests of these SDKs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use socklet_author::{AuthorError, Created, Kind, Language, build, create};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What `make setup` puts into the clone for a language; none where it is not there, which is said aloud.
fn tools(language: &str, path: &str) -> Option<PathBuf> {
    let path = repository().join(path);
    if !path.exists() {
        // Past the capture of a test's output: a test that passes would say it to nobody.
        let mut uncaptured = std::io::stderr();
        writeln!(uncaptured, "!!! SKIPPED: plugins in {language}: {} is not there, see make setup", path.display())
            .unwrap();
        return None;
    }
    Some(path)
}

fn node_modules() -> Option<PathBuf> {
    tools("JavaScript and TypeScript", "plugins/examples/node_modules")
}

/// A new project, with a link to what builds it at a path from its folder.
fn project(language: Language, kind: Kind, tools: &Path, link: &str) -> (TempDir, Created) {
    let folder = tempfile::tempdir().unwrap();
    let created = create(&folder.path().join("hello"), "hello", language, kind).unwrap();
    std::os::unix::fs::symlink(tools, folder.path().join("hello").join(link)).unwrap();
    (folder, created)
}

/// Runs a command in a folder, and shows what it printed where it fails.
fn run(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&text));
}

/// The interfaces that a component exports, those of the contract alone.
fn exports(component: &Path) -> Vec<String> {
    let bytes = fs::read(component).unwrap();
    let decoded = wit_component::decode(&bytes).unwrap();
    let resolve = decoded.resolve();
    let world = resolve.packages[decoded.package()].worlds.values().next().unwrap();
    let names = resolve.worlds[*world].exports.keys().map(|key| resolve.name_world_key(key));
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix("socklet:plugin/")?.trim_end_matches("@0.1.0").to_owned()))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn javascript_is_built() {
    let Some(tools) = node_modules() else { return };
    for (kind, expected) in [(Kind::Behavior, &["behavior", "state"][..]), (Kind::Authenticator, &["authenticator"])] {
        // Above the project: packages are looked for as Node.js does.
        let (_folder, created) = project(Language::Js, kind, &tools, "../node_modules");
        assert!(created.files.contains(&"src/plugin.js".to_owned()), "{:?}", created.files);
        run(Command::new("node").args(["--test", "test/plugin.test.js"]), &created.project.folder);
        let built = build(&created.project).unwrap();
        assert_eq!(exports(&built.component), expected);
        assert!(built.size < 4 << 20, "{}", built.size);
    }
}

#[test]
fn typescript_is_checked_and_built() {
    let Some(tools) = node_modules() else { return };
    for (kind, expected) in [(Kind::Behavior, &["behavior", "state"][..]), (Kind::Authenticator, &["authenticator"])] {
        let (_folder, created) = project(Language::Ts, kind, &tools, "node_modules");
        let folder = &created.project.folder;
        let built = build(&created.project).unwrap();
        assert_eq!(exports(&built.component), expected);
        run(Command::new("node").args(["--test", ".socklet/js/test/plugin.test.js"]), folder);

        let before = fs::read(&built.component).unwrap();
        let source = folder.join("src/plugin.ts");
        let wrong = fs::read_to_string(&source).unwrap() + "\nexport const wrong: number = \"a text\";\n";
        fs::write(&source, wrong).unwrap();
        assert!(matches!(build(&created.project), Err(AuthorError::Failed { .. })));
        assert_eq!(fs::read(&built.component).unwrap(), before, "what does not build replaces nothing");
    }
}

#[test]
fn python_is_built() {
    let Some(tools) = tools("Python", ".tools/componentize-py") else { return };
    for (kind, expected) in [(Kind::Behavior, &["behavior", "state"][..]), (Kind::Authenticator, &["authenticator"])] {
        let (_folder, created) = project(Language::Python, kind, &tools, ".venv");
        let tests = ["-m", "unittest", "discover", "tests"];
        let path = ["src", ".socklet/sdk"].join(":");
        run(Command::new("python3").args(tests).env("PYTHONPATH", path), &created.project.folder);
        let built = build(&created.project).unwrap();
        assert_eq!(exports(&built.component), expected);
        // The pre-check of the host takes 32 MiB.
        assert!(built.size < 24 << 20, "{}", built.size);
    }
}

#[test]
fn mistakes_are_told_when_a_plugin_is_built() {
    let Some(tools) = node_modules() else { return };
    let (_folder, created) = project(Language::Js, Kind::Behavior, &tools, "node_modules");
    let source = created.project.folder.join("src/plugin.js");
    let mistakes = [
        "export default {};",
        "import { defineBehavior } from \"#socklet\"; export default defineBehavior({ onMesage() {} });",
        "import { defineBehavior } from \"#socklet\"; export default defineBehavior({ async onMessage() {} });",
        "import { defineBehavior } from \"#socklet\"; export default defineBehavior({ onTimer() {} });",
    ];
    for mistake in mistakes {
        fs::write(&source, mistake).unwrap();
        assert!(matches!(build(&created.project), Err(AuthorError::Failed { .. })), "{mistake}");
    }
}

#[test]
fn the_sdk_for_javascript_does_what_it_says() {
    if node_modules().is_none() {
        return;
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(repository().join("tests/sdk/js")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".test.js"));
    files.sort_unstable();
    run(Command::new("node").arg("--test").args(files), &repository());
}

#[test]
fn the_sdk_for_python_does_what_it_says() {
    if tools("Python", ".tools/componentize-py").is_none() {
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "unittest", "discover", "--start-directory", "tests/sdk/python"]);
    run(command.env("PYTHONPATH", "plugins/sdk-python"), &repository());
}
