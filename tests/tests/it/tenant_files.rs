//! `tenants_dir`: tenants with a file each, read at the start, reloaded one by one.

use serde_json::Value;
use socklet_tests::{Process, Server, eventually, guest, stock};
use std::{fs, path::Path};

const MAIN: &str = r#"
    tenants_dir = "tenants.d"
    [[listener]]
    bind = "127.0.0.1:0"
    [[route]]
    path = "/"
    behavior = "main"
    [plugin.main]
    source = "guest:versioned"
    settings = { version = "main" }
    [plugin.judge]
    source = "guest:auth_grant"
    [admin]
    bind = "unix:admin.sock"
"#;

/// A tenant with a plugin of its own, which says who it is.
fn tenant(name: &str, more: &str) -> String {
    format!(
        "[[route]]\npath = \"/{name}\"\nbehavior = \"echo\"\n[plugin.echo]\nsource = \"file:{}\"\nsettings = {{ version = \"{name}\" }}\n{more}",
        guest("versioned").display()
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder.join("tenants.d")).unwrap();
    fs::write(folder.join("tenants.d").join(format!("{name}.toml")), text).unwrap();
}

async fn with(tenants: &[(&str, String)]) -> Process {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants.d")).unwrap();
    tenants.iter().for_each(|(name, text)| write(folder.path(), name, text));
    Process::start_in(folder, MAIN).await
}

async fn reload(server: &Process, name: &str) -> String {
    let (code, out, err) = server.command(&["tenant", "reload", name]).await;
    assert_eq!(code, 0, "{err}");
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_comes_changes_and_goes_and_no_other_notices() {
    let server = with(&[("acme", tenant("acme", ""))]).await;
    let (mut main, mut acme) = (server.open("/").await, server.open("/acme").await);
    assert_eq!((main.ask("a").await, acme.ask("a").await), ("main 1".into(), "acme 1".into()));
    assert_eq!(server.get("/zeta").await.status, 404);

    // Two plugins of one name, which are two.
    write(server.folder(), "zeta", &tenant("zeta", ""));
    assert_eq!(
        reload(&server, "zeta").await,
        "reloaded, generation 2\ntenant  added  zeta\nroute   added  zeta/zeta\nplugin  added  zeta/echo\n"
    );
    let mut zeta = server.open("/zeta").await;
    assert_eq!(zeta.ask("a").await, "zeta 1");

    // A quota and a plugin's settings change; connections stay.
    write(
        server.folder(),
        "zeta",
        &tenant("zeta", "[quotas]\nmax_connections = 1\n").replace("\"zeta\" }", "\"other\" }"),
    );
    let (code, out, _) = server.command(&["tenant", "reload", "zeta", "--dry-run"]).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "would change\ntenant  changed  zeta: max_connections\nplugin  changed  zeta/echo: settings\n")
    );
    let out = reload(&server, "zeta").await;
    assert!(out.contains("plugin  changed  zeta/echo: settings; version 2, on trial"), "{out}");
    eventually("the instance has moved", async || zeta.ask("b").await.starts_with("other ")).await;
    assert_eq!(server.at("/zeta").answer().await.status, 503, "it has as many as it may");
    assert_eq!(server.metric("socklet_limit_hits_total{limit=\"tenant_max_connections\"}").await, 1.0);

    // What is gone is gone.
    fs::remove_file(server.folder().join("tenants.d/zeta.toml")).unwrap();
    let out = reload(&server, "zeta").await;
    assert!(
        out.contains("tenant  removed  zeta\n") && out.contains("1 connections are being closed with 1001"),
        "{out}"
    );
    zeta.closed_after_messages().await;
    assert_eq!(server.get("/zeta").await.status, 404);
    let (code, _, err) = server.command(&["tenant", "reload", "zeta"]).await;
    assert!(code == 1 && err.contains("there is no tenant zeta"), "{err}");
    // And may come back.
    write(server.folder(), "zeta", &tenant("zeta", ""));
    reload(&server, "zeta").await;
    assert_eq!(server.open("/zeta").await.ask("a").await, "zeta 1");
    assert_eq!((main.ask("b").await, acme.ask("b").await), ("main 2".into(), "acme 2".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_listed_and_shown_whatever_file_they_are_in() {
    let server = with(&[("acme", tenant("acme", "[quotas]\nmax_connections = 5\n"))]).await;
    let mut client = server.open("/acme").await;
    assert_eq!(client.ask("a").await, "acme 1");
    let (_, out, _) = server.command(&["tenant", "ls"]).await;
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["TENANT", "ROUTES", "PLUGINS", "CONNECTIONS", "INSTANCES", "MEMORY", "SAVED", "FILE"]);
    assert_eq!(rows[1][..4], ["acme", "1", "1", "1"]);
    assert!(rows[1][7].ends_with("tenants.d/acme.toml"), "{out}");
    assert_eq!(rows[2], ["default", "1", "0", "0", "0", "0B", "0B", "-"]);
    let (_, out, _) = server.command(&["tenant", "show", "acme", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["quotas"]["max_connections"], &shown["used"]["connections"]), (&5.into(), &1.into()));
    let (_, out, _) = server.command(&["route", "ls", "--tenant", "acme", "--json"]).await;
    let routes: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(routes["routes"][0]["behavior"], "acme/echo");
    let (_, out, _) = server.command(&["plugin", "ls", "--tenant", "acme", "--json"]).await;
    let plugins: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&plugins["plugins"][0]["name"], &plugins["plugins"][0]["versions"][0]["version"]),
        (&"acme/echo".into(), &1.into())
    );
    let (code, _, err) = server.command(&["tenant", "show", "moon"]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no tenant moon\n"));
    let (_, out, _) = server.command(&["plugin", "ls"]).await;
    assert!(out.contains("acme/echo  behavior"), "{out}");
    // A tenant of the main file is a tenant, and is reloaded with that.
    let (code, _, err) = server.command(&["tenant", "reload", "default"]).await;
    assert!(code == 1 && err.contains("the tenant default is written in the main file"), "{err}");
    // Versions of tenants' plugins are counted where their usage is.
    assert!(!server.metrics().await.text().contains("acme"));
    let tenants = server.get_ops("/metrics/tenants").await.body;
    assert!(tenants.contains("socklet_tenant_plugin_version{tenant=\"acme\",plugin=\"echo\"} 1"), "{tenants}");
    assert!(tenants.contains("plugin=\"acme/echo\""), "{tenants}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_of_a_tenant_are_swapped_by_their_ids() {
    let server = with(&[("acme", tenant("acme", "")), ("zeta", tenant("zeta", ""))]).await;
    let (mut acme, mut zeta) = (server.open("/acme").await, server.open("/zeta").await);
    assert_eq!((acme.ask("a").await, zeta.ask("a").await), ("acme 1".into(), "zeta 1".into()));
    let file = server.folder().join("other.wasm");
    fs::write(&file, socklet_tests::marked(&guest("versioned"), 1)).unwrap();
    let (code, out, err) = server.command(&["plugin", "swap", "acme/echo", file.to_str().unwrap()]).await;
    assert_eq!((code, out.as_str()), (0, "acme/echo: version 2, on trial\n"), "{err}");
    let (code, out, _) = server.command(&["plugin", "rollback", "acme/echo"]).await;
    assert_eq!((code, out.as_str()), (0, "acme/echo: version 1\n"));
    let (code, _, err) = server.command(&["plugin", "swap", "echo", file.to_str().unwrap()]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no plugin echo\n"));
    assert_eq!(acme.ask("b").await, "acme 2");
    assert_eq!(zeta.ask("b").await, "zeta 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_may_use_what_all_share_and_has_its_own_before_that() {
    let own = "[plugin.main]\nsource = \"file:own.wasm\"\nsettings = { version = \"own\" }\n";
    let route = "[[route]]\npath = \"/acme\"\nbehavior = \"main\"\nauthenticators = [\"judge\"]\n";
    let server = with(&[("acme", route.to_owned())]).await;
    fs::copy(guest("versioned"), server.folder().join("tenants.d/own.wasm")).unwrap();
    assert_eq!(server.open("/acme?as=ada").await.ask("a").await, "main 1");
    let mut client = server.open("/acme?as=ada").await;
    assert_eq!(client.ask("a").await, "main 1");
    write(server.folder(), "acme", &format!("{route}{own}"));
    let out = reload(&server, "acme").await;
    assert!(out.contains("acme/acme: behavior") && out.contains("acme/main"), "{out}");
    client.expect_close(1012).await;
    assert_eq!(server.open("/acme?as=ada").await.ask("a").await, "own 1", "paths start from the folder of the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_of_one_tenant_is_that_tenants_own() {
    let server = with(&[("acme", tenant("acme", "")), ("zeta", tenant("zeta", ""))]).await;
    let (mut acme, mut zeta) = (server.open("/acme").await, server.open("/zeta").await);
    assert_eq!((acme.ask("a").await, zeta.ask("a").await), ("acme 1".into(), "zeta 1".into()));
    write(
        server.folder(),
        "zeta",
        "[limits]\nmax_connections = 1\n[qoutas]\n[[route]]\ntenant = \"acme\"\npath = \"zeta\"\nbehavior = \"ehco\"\n[quotas]\ncpu = 0\n[plugin.echo]\nsource = \"file:gone.wasm\"\n",
    );
    let (code, _, err) = server.command(&["tenant", "reload", "zeta"]).await;
    let folder = server.folder().display().to_string();
    let told: Vec<_> = err.lines().skip(1).map(|line| line.replace(&format!("{folder}/"), "")).collect();
    assert_eq!(code, 64);
    for (line, mistake) in told.iter().zip([
        "tenants.d/zeta.toml:1: limits: this belongs to the main file; a tenant's own has quotas, route, plugin",
        "tenants.d/zeta.toml:3: qoutas: unknown section, did you mean quotas? (there are quotas, route, plugin)",
        "tenants.d/zeta.toml:5: route.tenant = \"acme\": the name of the file says whose it is: leave it out",
        "tenants.d/zeta.toml:6: route.path = \"zeta\": \"zeta\" is not a pattern of paths",
        "tenants.d/zeta.toml:7: route.behavior = \"ehco\": unknown plugin ehco, did you mean echo? (there are echo, judge, main)",
        "tenants.d/zeta.toml:9: quotas.cpu = 0: expected a number of cores",
        "tenants.d/zeta.toml:11: plugin.echo.source = \"file:gone.wasm\": there is no file",
    ]) {
        assert!(line.starts_with(mistake), "{line}\n{mistake}\n{err}");
    }
    assert_eq!(told.len(), 7, "{err}");
    // The others can be reloaded; all of it together cannot.
    write(server.folder(), "acme", &tenant("acme", "[quotas]\nmax_topics = 3\n"));
    assert!(reload(&server, "acme").await.contains("acme: max_topics"));
    let (code, _, err) = server.command(&["reload"]).await;
    assert!(code == 64 && err.lines().count() == 8, "{err}");
    assert_eq!((acme.ask("b").await, zeta.ask("b").await), ("acme 2".into(), "zeta 2".into()));
    // Nobody takes the path of another.
    write(server.folder(), "zeta", &tenant("acme", ""));
    let (code, _, err) = server.command(&["tenant", "reload", "zeta"]).await;
    assert!(code == 64 && err.contains("routes acme/acme and zeta/acme cannot be told apart"), "{err}");
    write(server.folder(), "zeta", &tenant("zeta", ""));
    assert_eq!(reload(&server, "zeta").await, "reloaded, nothing was changed\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_with_a_mistake_of_a_tenant() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "acme", "[[route]]\npath = \"/a\"\nbehavior = \"gone\"\n");
    write(folder.path(), "Not a name", "");
    write(folder.path(), "default", "");
    for ignored in [".hidden", "notes"] {
        fs::write(folder.path().join(format!("tenants.d/{ignored}")), "not toml").unwrap();
    }
    let text =
        format!("tenants_dir = \"{}/tenants.d\"\n[[route]]\npath = \"/\"\nstatic = \"/\"\n", folder.path().display());
    let error = Server::build(&text).await.unwrap_err();
    let lines: Vec<_> =
        error.lines().map(|line| line.replace(&format!("{}/tenants.d/", folder.path().display()), "")).collect();
    assert_eq!(
        lines,
        [
            "Not a name.toml:1: the name of the file is that of the tenant, and \"Not a name\" is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'",
            "acme.toml:3: route.behavior = \"gone\": unknown plugin gone (there is none)",
            "default.toml:1: the tenant default is in test.toml, too: write it in one of them",
        ]
    );
    let error = Server::build("tenants_dir = \"nowhere\"\n").await.unwrap_err();
    assert!(error.contains("nowhere:1: failed to read the folder of tenants: "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_loaded_when_it_is_needed_and_tried_again_where_it_does_not_load() {
    let folder = tempfile::tempdir().unwrap();
    let route = "[[route]]\npath = \"/acme\"\nbehavior = \"echo\"\n[[route]]\npath = \"/wrong\"\nbehavior = \"judge\"\n\
                 [plugin.echo]\nsource = \"file:echo.wasm\"\n[plugin.judge]\nsource = \"file:judge.wasm\"\n";
    write(folder.path(), "acme", route);
    fs::write(folder.path().join("tenants.d/echo.wasm"), "not a component").unwrap();
    fs::copy(guest("auth_grant"), folder.path().join("tenants.d/judge.wasm")).unwrap();
    let server = Process::start_in(folder, MAIN).await;
    let state = async |plugin: &str| {
        let answer = server.ask_admin(&format!("GET /v1/tenants/acme/plugins/{plugin}"), "", b"").await.body;
        serde_json::from_str::<Value>(&answer).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state("echo").await.as_str(), state("judge").await.as_str()), ("deferred", "deferred"));
    let refused = server.at("/acme").answer().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(state("echo").await, "failed");
    let log = server.until_log("failed to load a plugin that is needed").await;
    let line = log.lines().find(|line| line.contains("failed to load a plugin")).unwrap();
    assert!(line.contains("plugin=acme/echo") && line.contains("not a component"), "{line}");
    // Nobody is let in by it while it rests, and the log is not filled by that.
    assert_eq!(server.at("/acme").answer().await.status, 503);
    fs::copy(stock("echo"), server.folder().join("tenants.d/echo.wasm")).unwrap();
    eventually("the plugin is loaded", async || server.at("/acme").answer().await.status == 101).await;
    assert_eq!(server.open("/acme").await.ask("a").await, "a");
    assert_eq!(state("echo").await, "loaded");
    // What it is shows only when it is loaded.
    let refused = server.at("/wrong").answer().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "60"));
    server.until_log("its plugin is of the other kind").await;
    let (code, _, err) = server.command(&["tenant", "reload", "acme"]).await;
    assert!(
        code == 64 && err.contains("acme.toml:6: route.behavior: the plugin acme/judge is of the kind authenticator"),
        "{err}"
    );
    write(server.folder(), "acme", &route.replace("behavior = \"judge\"", "static = \".\""));
    reload(&server, "acme").await;

    // One that is loaded is loaded again before it takes over: what does not load is refused.
    fs::write(server.folder().join("tenants.d/echo.wasm"), "not a component").unwrap();
    let (code, _, err) = server.command(&["tenant", "reload", "acme"]).await;
    assert!(code == 64 && err.contains("plugin.echo.source: not a component"), "{err}");
    assert_eq!(server.open("/acme").await.ask("b").await, "b");
    // Eager means now, in a tenant's file, too.
    write(
        server.folder(),
        "zeta",
        "[[route]]\npath = \"/z\"\nbehavior = \"echo\"\n[plugin.echo]\nsource = \"file:echo.wasm\"\nload = \"eager\"\n",
    );
    let (code, _, err) = server.command(&["tenant", "reload", "zeta"]).await;
    assert!(code == 64 && err.contains("zeta.toml:5: plugin.echo.source: not a component"), "{err}");
    assert_eq!(server.get("/z").await.status, 404);
}

/// A platform that writes no files: it sends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_sent_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let route = |limit: usize| {
        format!("[[route]]\npath = \"/acme\"\nbehavior = \"main\"\nlimits.max_message_size = \"{limit}B\"\n")
    };
    write(folder.path(), "other", "");
    let server = Process::start_in(folder, MAIN).await;
    let file = server.folder().join("tenants.d/acme.toml");
    let sent = server.folder().join("sent.toml");
    let put = async |text: &str, more: &[&str]| {
        fs::write(&sent, text).unwrap();
        server.command(&[&["tenant", "put", "acme", sent.to_str().unwrap()], more].concat()).await
    };
    let (code, out, err) = put(&route(100), &["--dry-run"]).await;
    assert!(code == 0 && out.contains("would change") && !file.exists(), "{out}{err}");
    let (code, out, err) = put(&route(100), &[]).await;
    assert!(code == 0 && out.contains("added") && out.contains("acme/acme"), "{out}{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), route(100));
    let mut client = server.open("/acme").await;
    client.ask("a").await;
    // What is wrong changes nothing, neither here nor there.
    let (code, _, err) = put("[[route]]\npaht = \"/acme\"\n", &[]).await;
    assert!(code == 64 && err.contains("acme.toml:2: route.paht: unknown key"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), route(100));
    client.ask("a").await;
    assert_eq!(put(&route(3), &[]).await.0, 0);
    client.send("longer than three").await;
    client.expect_close(1009).await;
    // What is written is there after a restart, and as it is read again.
    assert_eq!(server.command(&["reload"]).await.1, "reloaded, nothing was changed\n");
    let (code, _, err) = server.command(&["tenant", "rm", "moon"]).await;
    assert!(code == 1 && err.contains("there is no tenant moon"), "{err}");
    let answer = server.ask_admin("PUT /v1/tenants/acme", "content-type: text/plain\r\n", b"").await;
    assert_eq!(answer.status, 415);
    // A folder that cannot be written to.
    let folder = server.folder().join("tenants.d");
    let (kept, aside) = (folder.clone(), server.folder().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    fs::write(&kept, "in the way").unwrap();
    let (code, _, err) = put(&route(50), &[]).await;
    assert!(code == 1 && err.contains("it cannot be written, so nothing was changed"), "{err}");
    fs::remove_file(&kept).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), route(3));
    let mut client = server.open("/acme").await;
    assert_eq!(server.command(&["tenant", "rm", "acme"]).await.0, 0);
    client.expect_close(1001).await;
    assert!(!file.exists());
    assert_eq!(server.at("/acme").answer().await.status, 404);
}
