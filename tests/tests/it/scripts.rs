//! `socklet test`: scripted conversations, those of the stock plugins and some that must fail.

use serde_json::{Value, json};
use socklet_tests::{command, finished, guest, repository, stock};
use std::path::{Path, PathBuf};

/// Runs `socklet test` to its end: exit code, standard output, standard error output.
async fn test(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = command(&[&["test"], arguments].concat(), folder);
    command.env("XDG_CACHE_HOME", socklet_tests::target());
    finished(command).await
}

/// A folder with a script in it.
fn folder(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tests")).unwrap();
    std::fs::write(folder.path().join("tests/a.toml"), script).unwrap();
    folder
}

fn script(plugin: &Path, rest: &str) -> String {
    format!("plugin = '{}'\n{rest}", plugin.display())
}

#[tokio::test]
async fn stock_plugins_are_what_their_scripts_say() {
    let folders = repository().join("plugins").read_dir().unwrap().map(|entry| entry.unwrap().path().join("tests"));
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.join(".").exists()).collect();
    folders.sort();
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let (code, out, err) = test(&[folder.to_str().unwrap()], repository()).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains(" passed, 0 failed"), "{out}");
    }
}

/// Several peers that interleave, clocks, chance, and instances that die.
const LIVELY: &str = r#"
instance = "shared"
[[test]]
name = "lively"
lenient = true
steps = [
    { peer = "ada", connect = "/" },
    { peer = "bob", connect = "/?welcome" },
    { peer = "ada", send = "random" },
    { peer = "bob", send = "clock" },
    { peer = "ada", send = "log info hello" },
    { advance = "90s" },
    { peer = "bob", send = "send-all hi" },
    { peer = "ada", vanish = true },
    { peer = "bob", send = "instance" },
    { peer = "bob", kill = true },
    { peer = "eve", connect = "/" },
    { peer = "eve", send = "random" },
    # It waits for a clock that stands still, until its CPU time is used up.
    { peer = "eve", ignore = true },
    { peer = "eve", send = "busy 30" },
    { peer = "eve", expect_close = 1011 },
]
"#;

#[tokio::test]
async fn a_script_has_one_outcome() {
    let folder = folder(&script(&guest("reporter"), LIVELY));
    let (_, first, err) = test(&["--json"], folder.path()).await;
    let report: Value = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first} {err}"));
    assert_eq!(report["summary"], json!({ "passed": 1, "failed": 0 }), "{first}");
    assert!(report["tests"][0]["conversation"].as_array().unwrap().len() > 20, "{first}");
    for _ in 1..20 {
        let (code, again, _) = test(&["--json"], folder.path()).await;
        assert_eq!((code, &again), (0, &first));
    }
}

#[tokio::test]
async fn a_failure_shows_the_conversation_and_the_difference() {
    let folder = folder(&script(
        &stock("chat"),
        r#"
[[test]]
name = "bob is missing"
steps = [
    { peer = "ada", connect = "/?name=ada" },
    { peer = "ada", expect_json_with = { type = "welcome", members = ["ada", "bob"] } },
]

[[test]]
name = "nobody expects the second"
steps = [
    { connect = "/?name=ada" },
    { ignore = true },
    { send_json = { type = "say", text = "hi" } },
    { advance = "1s" },
]

[[test]]
name = "let in, and should not be"
steps = [{ connect = "/?name=ada", refused = 403 }]
"#,
    ));
    let (code, out, err) = test(&[], folder.path()).await;
    assert_eq!((code, err.as_str()), (1, ""));
    let expected = r#"FAILED  tests/a.toml: bob is missing
    tests/a.toml:7: { peer = "ada", expect_json_with = { type = "welcome", members = ["ada", "bob"] } }
    expected  JSON with {"members":["ada","bob"],"type":"welcome"}
    found     JSON {"members":["ada"],"room":"lobby","type":"welcome","you":"ada"}
              $.members has 1 elements, not 2

    so far:
        0.000s  ada connects to /?name=ada
        0.000s  ada is let in
        0.000s  ada <- '{"type":"welcome","you":"ada","room":"lobby","members":["ada"]}'

FAILED  tests/a.toml: nobody expects the second
    tests/a.toml:10: at the end of the test
    expected  nothing more
    found     peer <- text '{"type":"message","from":"ada","text":"hi","at":1893456000000}'

    so far:
        0.000s  peer connects to /?name=ada
        0.000s  peer is let in
        0.000s  peer <- '{"type":"welcome","you":"ada","room":"lobby","members":["ada"]}'
        0.000s  peer -> '{"text":"hi","type":"say"}'
        0.000s  peer <- '{"type":"message","from":"ada","text":"hi","at":1893456000000}'
        0.000s  route: 1s pass

FAILED  tests/a.toml: let in, and should not be
    tests/a.toml:21: { connect = "/?name=ada", refused = 403 }
    expected  a refusal with 403
    found     a connection

    so far:
        0.000s  peer connects to /?name=ada
        0.000s  peer is let in
        0.000s  peer <- '{"type":"welcome","you":"ada","room":"lobby","members":["ada"]}'


0 passed, 3 failed
"#;
    assert_eq!(out, expected);
}

#[tokio::test]
async fn a_death_has_to_be_expected() {
    let folder = folder(&script(
        &guest("trap_message"),
        r#"
[[test]]
name = "expected"
steps = [
    { connect = "/" },
    { send = "trap" },
    { expect_close = 1011 },
    { expect_death = "unreachable", kind = "trap" },
]
[[test]]
name = "not expected"
steps = [{ connect = "/" }, { send = "trap" }, { expect_close = 1011, reason = "plugin failed, event 1" }]
[[test]]
name = "another"
steps = [{ connect = "/" }, { send = "trap" }, { ignore = true }, { expect_death = "", kind = "memory" }]
"#,
    ));
    let (code, out, _) = test(&[], folder.path()).await;
    assert_eq!(code, 1);
    assert!(out.starts_with("ok      tests/a.toml: expected\n"), "{out}");
    let not_expected = "expected  nothing more\n    found     instance died in on-message (trap): wasm `unreachable`";
    assert!(out.contains(not_expected), "{out}");
    let another = "expected  a death by memory with \"\"\n    found     one by trap: wasm `unreachable` instruction";
    assert!(out.contains(another), "{out}");
}

#[tokio::test]
async fn every_mistake_is_named_with_its_line() {
    let folder = folder(
        r#"plugin = "x.wasm"
hibernate_after = "10"
limits = { max_mesage_size = "5B" }
setings = {}

[[test]]
name = "a"
steps = [
    { conect = "/" },
    { send = "x", expect = "y" },
    { peer = "ada", close = 999 },
    { expect_match = "(" },
]
"#,
    );
    let (code, out, err) = test(&[], folder.path()).await;
    assert_eq!((code, out.as_str()), (64, ""));
    let lines: Vec<&str> = err.lines().collect();
    let expected = [
        "tests/a.toml:2: hibernate_after: no unit (there are ms, s, m, h, d); expected a duration such as \"25s\"",
        "tests/a.toml:3: limits.max_mesage_size: unknown key, did you mean max_message_size? (there are ",
        "tests/a.toml:4: setings: unknown key, did you mean settings? (there are ",
        "tests/a.toml:9: test.steps.conect: unknown step, did you mean connect? (there are ",
        "tests/a.toml:10: test.steps: a step is one thing, and this is send and expect: write two steps",
        "tests/a.toml:11: test.steps.close: expected a close code, or true for an empty close frame",
        "tests/a.toml:12: test.steps.expect_match: regex parse error: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{err}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[tokio::test]
async fn reports_are_for_machines() {
    let echo = stock("echo");
    let folder = folder(
        r#"
[[test]]
name = "one"
steps = [{ connect = "/" }, { send = "hi" }, { expect = "hi" }]
[[test]]
name = "two"
steps = [{ connect = "/" }, { send_binary = "01" }, { expect_binary = "02" }]
"#,
    );
    let plugin = ["--plugin", echo.to_str().unwrap()];
    let (code, out, _) = test(&[&plugin[..], &["--json", "--junit", "out.xml"]].concat(), folder.path()).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["summary"]), (1, &json!({ "passed": 1, "failed": 1 })));
    let [one, two] = &report["tests"].as_array().unwrap()[..] else { panic!("{out}") };
    let said = json!({ "at_ms": 0, "peer": "peer", "event": "receives", "kind": "text", "payload": "hi" });
    assert_eq!((&one["failure"], &one["conversation"][3]), (&Value::Null, &said));
    let failure = json!({
        "kind": "step", "line": 7, "step": "{ expect_binary = \"02\" }",
        "expected": "binary 02", "found": "binary 01", "differences": ["from byte 1 on: 01, not 02"],
    });
    assert_eq!(two["failure"], failure);
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(xml.contains(r#"<testsuite name="tests/a.toml" tests="2" failures="1">"#), "{xml}");
    assert!(xml.contains(r#"<failure message="expected binary 02, found binary 01">"#), "{xml}");

    let (code, out, _) = test(&[&plugin[..], &["--filter", "on"]].concat(), folder.path()).await;
    assert_eq!((code, out.as_str()), (0, "ok      tests/a.toml: one\n\n1 passed, 0 failed\n"));
    let (code, _, err) = test(&[&plugin[..], &["--filter", "three"]].concat(), folder.path()).await;
    assert_eq!((code, err.as_str()), (1, "socklet: no test has \"three\" in its name\n"));
    let (code, out, _) = test(&["tests/a.toml", "--filter", "one"], folder.path()).await;
    assert_eq!(code, 1);
    assert!(out.contains("it names no plugin: write plugin = \"FILE\" at the top, or say --plugin FILE"), "{out}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let (code, _, err) = test(&[], empty.path()).await;
    assert_eq!((code, err.as_str()), (1, "socklet: failed to read tests: No such file or directory (os error 2)\n"));
    let (code, _, err) = test(&["."], empty.path()).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no script, no *.toml, in .\n"));
    let broken = folder("[[test]\n");
    let (code, _, err) = test(&[], broken.path()).await;
    assert_eq!(code, 64);
    assert!(err.starts_with("tests/a.toml:1: not TOML: "), "{err}");
    let missing = folder("plugin = 'nothing.wasm'\n[[test]]\nname = 'a'\nsteps = []\n");
    let (code, out, _) = test(&[], missing.path()).await;
    assert_eq!(code, 1);
    assert!(out.contains("failed to load the plugin: failed to read tests/nothing.wasm: No such file"), "{out}");
}
