//! `socklet dev`: what is saved is built and swapped while connections stay open.

use socklet_tests::{Process, command, finished};
use std::fs;

#[tokio::test]
async fn what_is_saved_is_swapped_and_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = finished(command(&["new", "c", "hello", "--folder", "."], folder.path())).await;
    assert_eq!((code, out.contains("src/plugin.c")), (0, true), "{out}{err}");
    let source = folder.path().join("src/plugin.c");
    let first = fs::read_to_string(&source).unwrap();
    let dev = Process::dev(folder).await;
    dev.until_printed("/_dev/").await;
    let page = dev.get("/_dev/").await;
    assert!(page.body.contains("socklet dev"), "{}", page.body);
    assert_eq!(dev.get("/_dev/served.json").await.body, r#"{"plugin":"hello","paths":["/"]}"#);
    let mut client = dev.open("/").await;
    client.send("one").await;
    client.expect_text("1. one").await;
    // Another version numbers otherwise, and goes on where the one before was.
    fs::write(&source, first.replace("\". \"", "\") \"")).unwrap();
    dev.until_printed("the open connection goes on with it").await;
    client.send("two").await;
    client.expect_text("2) two").await;
    fs::write(&source, "this is not C").unwrap();
    dev.until_log("what was built before goes on").await;
    client.send("three").await;
    client.expect_text("3) three").await;
    let configuration = dev.folder().join("socklet.toml");
    let text = fs::read_to_string(&configuration).unwrap() + "settings = { separator = \": \" }\n";
    fs::write(&source, &first).unwrap();
    fs::write(&configuration, text).unwrap();
    assert_eq!(client.expect_close(1012).await, "server restarting");
}

#[tokio::test]
async fn an_authenticator_has_an_echo_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["new", "c", "door", "--authenticator", "--folder", "."];
    let (code, out, err) = finished(command(&arguments, folder.path())).await;
    assert_eq!(code, 0, "{out}{err}");
    let dev = Process::dev(folder).await;
    assert_eq!(dev.get("/_dev/").await.status, 200);
    assert_eq!(dev.at("/").answer().await.status, 401);
}

#[tokio::test]
async fn what_is_missing_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| finished(command(arguments, folder.path())).await;
    let (code, _, err) = run(&["build"]).await;
    assert_eq!((code, err.contains("plugin.toml is not there")), (1, true), "{err}");
    let (code, _, err) = run(&["new", "perl", "hello"]).await;
    assert_eq!((code, err.contains("rust, js, ts, python, go, c")), (2, true), "{err}");
    let (code, _, err) = run(&["new", "c", "Hello"]).await;
    assert_eq!((code, err.contains("no name for a plugin")), (1, true), "{err}");
    assert_eq!(run(&["new", "c", "hello"]).await.0, 0);
    let (code, _, err) = run(&["new", "go", "hello"]).await;
    assert_eq!((code, err.contains("is there already")), (1, true), "{err}");
    fs::write(folder.path().join("hello/plugin.toml"), "name = \"hello\"\nlanguage = \"c\"\nexport = []\n").unwrap();
    let (code, _, err) = run(&["build", "hello"]).await;
    assert_eq!((code, err.contains("plugin.toml:3: unknown field `export`")), (1, true), "{err}");
    fs::write(folder.path().join("hello/plugin.toml"), "name = \"hello\"\nlanguage = \"c\"\n").unwrap();
    let mut build = command(&["build", "hello"], folder.path());
    build.env("PATH", "");
    let (code, _, err) = finished(build).await;
    assert_eq!((code, err.contains("clang") && err.contains("install")), (1, true), "{err}");
}

#[tokio::test]
async fn versions_are_compared_before_they_are_swapped() {
    let folder = tempfile::tempdir().unwrap();
    for (name, exports) in [("one", ""), ("two", "exports = [\"timer-events\"]\n")] {
        let (code, out, err) = finished(command(&["new", "c", name], folder.path())).await;
        assert_eq!(code, 0, "{out}{err}");
        let project = folder.path().join(name);
        fs::write(project.join("plugin.toml"), format!("name = \"{name}\"\nlanguage = \"c\"\n{exports}")).unwrap();
        let (code, out, err) = finished(command(&["build", name], folder.path())).await;
        assert_eq!(code, 0, "{out}{err}");
    }
    let run = async |arguments: &[&str]| finished(command(arguments, folder.path())).await;
    let (one, two) = ("one/build/one.wasm", "two/build/two.wasm");
    let (code, out, err) = run(&["inspect", two, "--against", one]).await;
    assert_eq!((code, out.contains("newly exports timer-events")), (0, true), "{out}{err}");
    assert!(out.contains("the other does not export state"), "{out}");
    let (_, out, _) = run(&["inspect", one, "--against", two]).await;
    assert!(out.contains("timers that are set will not be heard"), "{out}");
    let (_, out, _) = run(&["inspect", one, "--against", one]).await;
    assert!(out.contains("it is the same component"), "{out}");
    let (_, out, _) = run(&["inspect", two, "--against", one, "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["against"]["hooks"], serde_json::json!(["timer-events"]), "{out}");
    assert!(json["producers"].as_array().is_some_and(|made_by| !made_by.is_empty()), "{out}");
}
