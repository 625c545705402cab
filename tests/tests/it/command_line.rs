//! The binary with real components: `run`, `check` and `inspect`.

use serde_json::{Value, json};
use socklet_tests::{Process, command, finished, guest, guests, repository, stock};
use std::path::Path;

/// Runs a command to its end: exit code, standard output, standard error output.
async fn socklet(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = command(arguments, folder);
    command.env("XDG_CACHE_HOME", socklet_tests::target());
    finished(command).await
}

async fn inspected(plugin: &Path) -> Value {
    let (code, out, err) = socklet(&["inspect", "--json", plugin.to_str().unwrap()], repository()).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_serves_one_plugin_on_every_path() {
    let plugin = guest("reporter");
    let server = Process::run(&[plugin.to_str().unwrap(), "--setting", "greeting=hello=you", "--setting", "n=1"]).await;
    let mut client = server.open("/any/path").await;
    assert_eq!(client.command("settings").await, json!({ "greeting": "hello=you", "n": "1" }));
    assert!(server.printed().contains("reporter"), "{}", server.printed());
    drop(client);
    assert_eq!(server.terminate().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_has_a_path_and_an_instance_policy() {
    let plugin = guest("reporter");
    let arguments = [plugin.to_str().unwrap(), "--path", "/rooms/{room}", "--instance", "key={room}"];
    let server = Process::run(&arguments).await;
    assert!(server.printed().contains("/rooms/{room}"), "{}", server.printed());
    let (mut a, _b) = (server.open("/rooms/red").await, server.open("/rooms/red").await);
    let _c = server.open("/rooms/blue").await;
    assert_eq!(a.command("instance").await["connections"].as_array().unwrap().len(), 2);
    assert_eq!(server.at("/elsewhere").answer().await.status, 404);
    assert_eq!(server.metric("socklet_plugin_instances{state=\"live\"}").await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_loads_every_plugin_and_serves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = |plugins: &[(&str, &Path)]| {
        let mut text = "[[listener]]\nbind = '127.0.0.1:1'\n".to_owned();
        for (name, path) in plugins {
            text += &format!("[plugin.{name}]\nsource = 'file:{}'\n", path.display());
        }
        std::fs::write(folder.path().join("socklet.toml"), text).unwrap();
    };
    config(&[("echo", &stock("echo")), ("auth", &guest("auth_grant"))]);
    let (code, out, _) = socklet(&["check"], folder.path()).await;
    assert_eq!((code, out.as_str()), (0, "ok: listeners 1, routes 0, plugins 2\n"));

    config(&[("echo", &stock("echo")), ("a", &guest("wrong_version")), ("b", &guest("start_trap"))]);
    let (code, out, err) = socklet(&["check"], folder.path()).await;
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(
        err.contains("socklet.toml:6: plugin.a.source: ") && err.contains("socklet:plugin/behavior@0.2.0"),
        "{err}"
    );
    assert!(err.contains("socklet.toml:8: plugin.b.source: "), "{err}");
    let (code, out, _) = socklet(&["check", "--json"], folder.path()).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, told["ok"].as_bool(), told["mistakes"].as_array().unwrap().len()), (64, Some(false), 2));
    assert_eq!(
        (told["mistakes"][1]["line"].as_u64(), told["mistakes"][1]["key"].as_str()),
        (Some(8), Some("plugin.b.source"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_passes_its_check() {
    let demo = repository().join("plugins/demo/socklet.toml");
    let (code, out, err) = socklet(&["check", demo.to_str().unwrap()], repository()).await;
    assert_eq!((code, out.as_str()), (0, "ok: listeners 1, routes 3, plugins 3\n"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inspect_shows_what_a_plugin_is() {
    let chat = inspected(&stock("chat")).await;
    assert_eq!((chat["kind"].as_str(), chat["would_load"].as_bool()), (Some("behavior"), Some(true)));
    assert_eq!(chat["size"].as_u64(), Some(std::fs::metadata(stock("chat")).unwrap().len()));
    assert_eq!(chat["exports"], json!(["socklet:plugin/behavior@0.1.0"]));
    let imports: Vec<_> =
        chat["imports"].as_array().unwrap().iter().map(|import| import["name"].as_str().unwrap()).collect();
    for import in ["socklet:plugin/connections@0.1.0", "socklet:plugin/topics@0.1.0", "wasi:config/store@0.2.0-rc.1"] {
        assert!(imports.contains(&import), "{import} in {imports:?}");
    }
    let auth = inspected(&stock("basic_auth")).await;
    assert_eq!(auth["kind"], "authenticator");

    let http = inspected(&guest("wants_http")).await;
    assert_eq!((&http["would_load"], &http["grants"]), (&json!(true), &json!(["http"])));
    let handler = http["imports"]
        .as_array()
        .unwrap()
        .iter()
        .find(|import| import["name"].as_str().is_some_and(|name| name.starts_with("wasi:http/outgoing-handler@")));
    assert_eq!(handler.unwrap()["status"], "needs-grant", "{http}");
    let (code, out, _) = socklet(&["inspect", guest("wants_http").to_str().unwrap()], repository()).await;
    let lines = "this host would load it, with these lines in [plugin.NAME.grants]:\n  http = [\"https://HOST\"]";
    assert!(code == 0 && out.contains(lines), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inspect_knows_every_guest() {
    // Neither what happens when a component is started nor the limits of a configuration can be seen from outside.
    let refused = ["no_exports", "wrong_version"];
    let mut wrong = Vec::new();
    for name in guests() {
        let inspection = inspected(&guest(&name)).await;
        let expected = !refused.contains(&&*name);
        if inspection["would_load"] != expected {
            wrong.push(format!("{name}: {inspection}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn check_knows_what_is_granted_and_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (echo, reach) = (stock("echo").display().to_string(), guest("reach").display().to_string());
    let route = |source: &str, grants: &str| {
        format!(
            "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'file:{source}'\n[plugin.main.grants]\n{grants}"
        )
    };
    let stores = "[grants]\nkeyvalue_dir = 'stores'\n";
    for (text, code, words) in [
        (route(&reach, ""), 64, "write keyvalue = [\"NAME\"] in [plugin.main.grants]"),
        (route(&reach, "http = []\n"), 64, "which is not granted: write keyvalue"),
        (route(&reach, "http = []\nkeyvalue = ['a']\n"), 64, "write keyvalue_dir in [grants]"),
        (route(&reach, &format!("http = []\nkeyvalue = ['a']\n{stores}")), 0, ""),
        (route(&echo, "http = []\n"), 0, "warning: the plugin main is granted http and does not import it"),
    ] {
        std::fs::write(folder.path().join("c.toml"), text).unwrap();
        let (ended, _, err) = socklet(&["check", "c.toml"], folder.path()).await;
        assert!(ended == code && err.contains(words) && err.is_empty() == words.is_empty(), "{words}: {ended} {err}");
    }
    assert!(!folder.path().join("stores").exists(), "nothing is made for it");
}

#[tokio::test]
async fn completions_and_man_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (_, help, _) = finished(command(&["--help"], folder.path())).await;
    let (_, list) = help.split_once("Commands:").unwrap();
    let (list, _) = list.split_once("Options:").unwrap();
    let commands: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"serve") && commands.contains(&"completion"), "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = finished(command(&["completion", shell], folder.path())).await;
        assert_eq!(code, 0);
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let (code, ..) = finished(command(&["completion", "cmd"], folder.path())).await;
    assert_eq!(code, 2);
    let (code, ..) = finished(command(&["man", "man"], folder.path())).await;
    assert_eq!(code, 0);
    let page = |name: &str| std::fs::read_to_string(folder.path().join("man").join(name)).unwrap();
    assert!(page("socklet.1").starts_with(".ie") && page("socklet.1").contains(".TH"));
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(page(&format!("socklet-{command}.1")).contains(command));
    }
}
