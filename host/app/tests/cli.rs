//! The command line, as scripts see it: outputs and exit codes of the binary.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    path::Path,
    process::{Command, Output},
};

fn socklet(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socklet"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKLET_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("XDG_CACHE_HOME").output().unwrap()
}

#[track_caller]
fn expect(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("socklet.toml"), config).unwrap();
    folder
}

#[test]
fn the_printed_defaults_pass_the_check() {
    let folder = folder("");
    let (defaults, _) = expect(&socklet(&["config", "default"], folder.path()), 0);
    std::fs::write(folder.path().join("defaults.toml"), defaults).unwrap();
    let (out, _) = expect(&socklet(&["check", "defaults.toml"], folder.path()), 0);
    assert_eq!(out, "ok: listeners 1, routes 0, plugins 0\n");
}

#[test]
fn the_schema_is_json_when_asked() {
    let folder = folder("");
    let (out, _) = expect(&socklet(&["config", "schema", "--json"], folder.path()), 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["properties"]["heartbeat"]["properties"]["interval"]["default"], "20s");
    let (out, _) = expect(&socklet(&["config", "schema"], folder.path()), 0);
    assert!(out.contains("`SOCKLET_HEARTBEAT_INTERVAL`"));
}

#[test]
fn a_bad_configuration_ends_with_64_and_every_mistake() {
    let folder = folder("[log]\nlevle = \"info\"\nformat = \"xml\"\n");
    let expected = "socklet.toml:2: log.levle: unknown key, did you mean level? (there are level, format, sample, max_rate, mask_headers, mask_query)\n\
                    socklet.toml:3: log.format = \"xml\": expected \"text\" or \"json\"\n";
    for command in ["serve", "check"] {
        let (out, err) = expect(&socklet(&[command], folder.path()), 64);
        assert_eq!((out.as_str(), err.as_str()), ("", expected));
    }
    let (out, err) = expect(&socklet(&["check", "--json"], folder.path()), 64);
    assert_eq!(err, "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["mistakes"][1]["line"], 3);
    assert_eq!(json["mistakes"][1]["key"], "log.format");
}

#[test]
fn a_configuration_that_is_not_there_ends_with_64() {
    let folder = tempfile::tempdir().unwrap();
    let (_, err) = expect(&socklet(&["serve", "nowhere.toml"], folder.path()), 64);
    assert!(err.starts_with("nowhere.toml: "), "{err}");
}

#[test]
fn a_plugin_that_does_not_load_is_a_mistake_at_its_line() {
    let folder = folder("[plugin.a]\nsource = \"file:a.wasm\"\n[plugin.b]\nsource = \"file:b.wasm\"\n");
    std::fs::write(folder.path().join("a.wasm"), "not wasm").unwrap();
    std::fs::write(folder.path().join("b.wasm"), "\0asm\u{1}\0\0\0").unwrap();
    for command in ["serve", "check"] {
        let (_, err) = expect(&socklet(&[command], folder.path()), 64);
        assert!(err.contains("socklet.toml:2: plugin.a.source: "), "{err}");
        assert!(err.contains("socklet.toml:4: plugin.b.source: "), "{err}");
    }
}

#[test]
fn wrong_arguments_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["sevre"], &["run"], &["run", "a.wasm", "--setting", "novalue"], &["config"]] {
        expect(&socklet(arguments, folder.path()), 2);
    }
    expect(&socklet(&["--help"], folder.path()), 0);
    expect(&socklet(&["--version"], folder.path()), 0);
}

#[test]
fn inspect_tells_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_, err) = expect(&socklet(&["inspect", "nowhere.wasm"], folder.path()), 1);
    assert!(err.starts_with("socklet: failed to read nowhere.wasm: "), "{err}");
    std::fs::write(folder.path().join("text.wasm"), "hello").unwrap();
    let (_, err) = expect(&socklet(&["inspect", "text.wasm"], folder.path()), 1);
    assert!(err.starts_with("socklet: failed to inspect text.wasm: "), "{err}");
}

#[test]
fn run_names_what_is_wrong_with_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let (_, err) = expect(&socklet(&["run", "nowhere.wasm", "--instance", "key={room}"], folder.path()), 64);
    assert!(err.contains("there is no file nowhere.wasm"), "{err}");
    assert!(err.contains("unknown capture room"), "{err}");
}

#[test]
fn an_address_that_is_not_ours_ends_with_1() {
    // Taken for as long as this lives.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for section in ["[[listener]]", "[ops]"] {
        let other = if section == "[ops]" { "[[listener]]\nbind = \"127.0.0.1:0\"\n" } else { "" };
        let folder = folder(&format!("{other}{section}\nbind = \"{address}\"\n"));
        let (_, err) = expect(&socklet(&["serve"], folder.path()), 1);
        assert!(err.starts_with("socklet: failed to bind ") && err.contains(&address), "{err}");
        assert_eq!(err.matches("os error").count(), 1, "{err}");
    }
}
