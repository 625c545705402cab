//! The conversations of the conformance kit with a real server: the same scripts that `socklet test` runs without one.
//!
//! Time is real here: what waits for it is not told to, it just waits; and what would wait for longer than seconds is left to `socklet test`.

use super::kit;
use serde_json::{Map, Value};
use socklet_tests::{Client, Process, marked};
use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Conversations that wait for longer are not kept here.
const PATIENCE_SECONDS: f64 = 30.0;

/// One conversation.
struct Test<'a> {
    what: String,
    keys: &'a Map<String, Value>,
    base: &'a Value,
    steps: &'a [Value],
    /// Whether it moves the clock: then nobody can say what has not come yet.
    moves_clock: bool,
}

/// Puts the kit's scripts beside components, with another version of the counter.
pub(super) fn scripts(folder: &Path) {
    for entry in fs::read_dir(kit()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::write(folder.join("counter-again.wasm"), marked(&folder.join("counter.wasm"), 1)).unwrap();
}

/// Keeps all of them with the components beside the scripts in a folder.
pub(super) async fn all(folder: &Path) {
    let mut kept = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let script: Value = toml_edit::de::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for test in script["test"].as_array().unwrap() {
            let test = Test::of(&path, &script, test);
            if test.longest_wait() <= PATIENCE_SECONDS {
                test.keep(folder).await;
                kept += 1;
            }
        }
    }
    assert!(kept >= 20, "{kept}");
}

// === impl Test ===

impl<'a> Test<'a> {
    fn of(path: &Path, base: &'a Value, test: &'a Value) -> Self {
        let keys = test.as_object().unwrap();
        let steps = test["steps"].as_array().unwrap();
        let moves_clock = steps.iter().any(|step| step.get("advance").is_some());
        Self { what: format!("{}: {}", path.display(), test["name"]), keys, base, steps, moves_clock }
    }

    fn longest_wait(&self) -> f64 {
        let advances = self.steps.iter().filter_map(|step| step.get("advance")?.as_str());
        let seconds = advances.map(|text| match text.strip_suffix("ms") {
            Some(number) => number.parse::<f64>().unwrap() / 1000.0,
            None => text.strip_suffix('s').unwrap().parse().unwrap(),
        });
        seconds.fold(0.0, f64::max)
    }

    /// What the test says, or the script.
    fn key(&self, name: &str) -> Option<&'a Value> {
        self.keys.get(name).or_else(|| self.base.get(name))
    }

    async fn keep(&self, components: &Path) {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(components).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let server = Process::start_in(folder, &self.configuration()).await;
        let mut peers = HashMap::new();
        for step in self.steps {
            let (what, step) = (format!("{}: {step}", self.what), step.as_object().unwrap());
            let name = step.get("peer").map_or("peer", |peer| peer.as_str().unwrap());
            let (verb, value) = step.iter().find(|(key, _)| is_verb(key)).unwrap_or_else(|| panic!("{what}: no verb"));
            if verb == "connect" {
                self.connect(&server, &mut peers, name, step).await;
                continue;
            }
            match verb.as_str() {
                "advance" => continue,
                "swap" => {
                    let new = fs::read(server.folder().join(value.as_str().unwrap())).unwrap();
                    let plugin = self.key("plugin").unwrap().as_str().unwrap();
                    fs::write(server.folder().join(plugin), new).unwrap();
                    server.reload("ok").await;
                    continue;
                }
                "hibernate" => {
                    server.until_metric("socklet_plugin_instances{state=\"hibernated\"}", 1.0).await;
                    continue;
                }
                "vanish" => {
                    peers.remove(name).unwrap_or_else(|| panic!("{what}: nobody")).vanish();
                    continue;
                }
                "close" => {
                    let reason = step.get("reason").map_or("", |reason| reason.as_str().unwrap());
                    let code = u16::try_from(value.as_u64().unwrap()).unwrap();
                    let peer: Client = peers.remove(name).unwrap();
                    assert_eq!(peer.close(code, reason).await.0, code, "{what}");
                    continue;
                }
                "expect_close" => {
                    let mut peer = peers.remove(name).unwrap();
                    let reason = peer.expect_close(u16::try_from(value.as_u64().unwrap()).unwrap()).await;
                    if let Some(expected) = step.get("reason") {
                        assert_eq!(reason, expected.as_str().unwrap(), "{what}");
                    }
                    continue;
                }
                _ => {}
            }
            self.say_or_hear(&what, peers.get_mut(name).unwrap(), verb, value).await;
        }
        if !self.keys.contains_key("lenient") && !self.moves_clock {
            for mut peer in peers.into_values() {
                nothing(&mut peer).await;
            }
        }
    }

    async fn say_or_hear(&self, what: &str, peer: &mut Client, verb: &str, value: &Value) {
        match verb {
            "send" => peer.send(value.as_str().unwrap()).await,
            "send_binary" => peer.send(bytes(value)).await,
            "expect" => assert_eq!(peer.text().await, value.as_str().unwrap(), "{what}"),
            "expect_binary" => peer.expect_binary(&bytes(value)).await,
            "expect_any" => drop(peer.receive().await),
            "expect_json" => {
                let heard: Value = serde_json::from_str(&peer.text().await).unwrap();
                assert_eq!(heard, *value, "{what}");
            }
            "expect_json_with" => {
                let heard: Value = serde_json::from_str(&peer.text().await).unwrap();
                for (key, value) in value.as_object().unwrap() {
                    assert_eq!(heard[key], *value, "{what}: {heard}");
                }
            }
            "expect_match" => {
                let heard = peer.text().await;
                let pattern = regex::Regex::new(value.as_str().unwrap()).unwrap();
                assert!(pattern.is_match(&heard), "{what}: {heard}");
            }
            "expect_nothing" if self.moves_clock => {}
            "expect_nothing" => nothing(peer).await,
            other => panic!("{what}: {other} is not played"),
        }
    }

    async fn connect(
        &self,
        server: &Process,
        peers: &mut HashMap<String, Client>,
        name: &str,
        step: &Map<String, Value>,
    ) {
        let target = step["connect"].as_str().unwrap();
        let (_, query) = target.split_once('?').unwrap_or((target, ""));
        let path = match step.get("captures") {
            Some(captures) => format!("/in/{}", captures["room"].as_str().unwrap()),
            None => "/".to_owned(),
        };
        let mut connect = server.at(&if query.is_empty() { path } else { format!("{path}?{query}") });
        for (name, value) in step.get("headers").and_then(Value::as_object).into_iter().flatten() {
            connect = connect.header(name, value.as_str().unwrap());
        }
        let Some(refused) = step.get("refused") else {
            peers.insert(name.to_owned(), connect.open().await);
            return;
        };
        let what = format!("{}: {}", self.what, step["connect"]);
        let answer = connect.answer().await;
        assert_eq!(Some(u64::from(answer.status)), refused.as_u64().or_else(|| refused["status"].as_u64()), "{what}");
        if let Some(body) = refused.get("body") {
            assert_eq!(answer.body, body.as_str().unwrap(), "{what}");
        }
        for (name, value) in refused.get("headers").and_then(Value::as_object).into_iter().flatten() {
            assert_eq!(answer.header(name), value.as_str().unwrap(), "{what}");
        }
    }

    /// The server that keeps this conversation.
    fn configuration(&self) -> String {
        let mut text = String::new();
        let authenticators = self.key("authenticators").and_then(Value::as_array);
        let names: Vec<_> = (0..authenticators.map_or(0, Vec::len)).map(|index| format!("auth{index}")).collect();
        for (name, path) in [("plain", "/"), ("room", "/in/{room}")] {
            text += &format!("[[route]]\nname = \"{name}\"\npath = \"{path}\"\nbehavior = \"main\"\n");
            text += &format!("authenticators = {names:?}\n");
            if let Some(instance) = self.key("instance") {
                text += &format!("instance = {instance}\n");
            }
            if self.keys.contains_key("hibernate_after") {
                text += "hibernate_after = \"100ms\"\n";
            }
        }
        let plugin = |name: &str, of: &dyn Fn(&str) -> Option<&'a Value>| {
            let source = of("plugin").unwrap().as_str().unwrap();
            let mut text = format!("[plugin.{name}]\nsource = \"file:{source}\"\n");
            text += &of("timeout").map_or(String::new(), |timeout| format!("timeout = {timeout}\n"));
            for (key, value) in of("settings").and_then(Value::as_object).into_iter().flatten() {
                // As TOML has it: an object is written key by key.
                match value.as_object() {
                    Some(entries) => {
                        let entries = entries.iter().map(|(key, value)| format!("{key:?} = {value}"));
                        text += &format!("settings.{key} = {{ {} }}\n", entries.collect::<Vec<_>>().join(", "));
                    }
                    None => text += &format!("settings.{key} = {value}\n"),
                }
            }
            text
        };
        text += &plugin("main", &|key| self.key(key));
        for (name, authenticator) in names.iter().zip(authenticators.into_iter().flatten()) {
            text += &plugin(name, &|key| authenticator.get(key));
        }
        text
    }
}

fn is_verb(key: &str) -> bool {
    !["peer", "headers", "captures", "reason", "refused"].contains(&key)
}

/// Bytes in hexadecimal digits.
fn bytes(value: &Value) -> Vec<u8> {
    let digits: Vec<u8> = value.as_str().unwrap().bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Nothing has come: what comes first is the answer to a ping of its own.
async fn nothing(peer: &mut Client) {
    static PINGS: AtomicU64 = AtomicU64::new(0);
    peer.ping(&PINGS.fetch_add(1, Ordering::Relaxed).to_be_bytes()).await;
}
