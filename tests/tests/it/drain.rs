//! Drain, in the process and by signals: nobody is dropped without a word, and it ends.

use rustix::process::Signal;
use serde_json::{Value, json};
use socklet_tests::{Connect, Process, Server, Wire, eventually};

const REPORTER: &str = "[[route]]\ndefault = true\nbehavior = 'm'\n[plugin.m]\nsource = 'guest:reporter'\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_to_come_back() {
    let server = Server::start(&format!("{REPORTER}[drain]\nbatch = 3\ninterval = '10ms'\n")).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.open("/").await;
        assert_eq!(client.ask("echo served").await, "served");
        clients.push(client);
    }
    let address = server.address().clone();
    let told = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(client.expect_close(1012).await, "server restarting");
        }
    });
    let report = server.drain().await;
    assert_eq!((report.closed, report.forced), (10, 0));
    told.await.unwrap();
    let socklet_server::Bind::Tcp(address) = address else { panic!("a TCP listener") };
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_go_is_cut_off_at_the_deadline() {
    let server = Server::start(&format!("{REPORTER}[drain]\ntimeout = '1s'\n[limits]\nclose_timeout = '1h'\n")).await;
    let mut stubborn = server.at("/").wire().await;
    // Once it is served, it is one that the drain closes, and not one that finds the drain under way.
    stubborn.frame(0x81, b"echo served").await;
    assert!(stubborn.next().await.is_some());
    let report = server.drain().await;
    assert_eq!((report.closed, report.forced), (1, 1));
    stubborn.expect_close(1012).await;
    stubborn.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_drains_and_ends_with_0() {
    let server =
        Process::start(&format!("{REPORTER}[drain]\ntimeout = '50s'\n[limits]\nclose_timeout = '40s'\n")).await;
    assert_eq!(server.get_ops("/readyz").await.status, 200);
    let mut polite = server.open("/").await;
    let mut late = server.at("/").wire().await;
    // A socket that is still in its handshake keeps the drain waiting, too.
    let mut asking = Wire::connect(server.address()).await;
    asking.write(b"GET /").await;
    eventually("it is accepted", async || server.metric("socklet_sockets").await == 3.0).await;
    server.signal(Signal::TERM);
    assert_eq!(polite.expect_close(1012).await, "server restarting");
    late.expect_close(1012).await;
    eventually("it is not ready", async || server.get_ops("/readyz").await.body == "draining\n").await;
    assert_eq!(server.get_ops("/healthz").await.status, 200, "it lives");
    assert_eq!(server.metric("socklet_draining").await, 1.0);
    server.until_metric("socklet_connections", 1.0).await;
    late.frame(0x88, &1012u16.to_be_bytes()).await;
    drop(asking);
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
    for line in ["asked to stop", "draining", "drained"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert_eq!(log.matches("code=1012 cause=\"operator\" clean=true").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let server = Process::start(&format!("{REPORTER}[limits]\nclose_timeout = '1h'\n[drain]\ntimeout = '1h'\n")).await;
    let mut stubborn = server.at("/").wire().await;
    server.signal(Signal::INT);
    stubborn.expect_close(1012).await;
    server.signal(Signal::TERM);
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped by a second signal"), "{log}");
}

/// Two tenants, two listeners, and an admin API.
const PARTS: &str = r#"
    [[listener]]
    name = "main"
    bind = "127.0.0.1:0"
    [[listener]]
    name = "inner"
    bind = "unix:inner.sock"
    [[route]]
    name = "one"
    tenant = "acme"
    path = "/one"
    behavior = "main"
    [[route]]
    name = "two"
    tenant = "acme"
    path = "/two"
    behavior = "main"
    [[route]]
    name = "other"
    path = "/other"
    behavior = "main"
    [plugin.main]
    source = "guest:reporter"
    [admin]
    bind = "unix:admin.sock"
    [drain]
    batch = 2
    interval = "10ms"
    timeout = "20s"
"#;

async fn told(server: &Process, arguments: &[&str]) -> Value {
    let (code, out, err) = server.command(arguments).await;
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_drained_while_the_rest_goes_on() {
    let server = Process::start(PARTS).await;
    let mut other = server.open("/other").await;
    for (scope, paths, stays) in [
        (vec!["--route", "acme/one"], vec!["/one"], vec!["/two", "/other"]),
        (vec!["--tenant", "acme"], vec!["/one", "/two"], vec!["/other"]),
    ] {
        let mut goes = Vec::new();
        for path in paths.iter().cycle().take(5) {
            goes.push(server.open(path).await);
        }
        let mut stay = Vec::new();
        for path in &stays {
            stay.push(server.open(path).await);
        }
        let begin = [&["drain", "--close-code", "4012", "--reason", "bye", "--json"], &scope[..]].concat();
        let (drain, ()) = tokio::join!(told(&server, &begin), async {
            for client in &mut goes {
                assert_eq!(client.expect_close(4012).await, "bye");
            }
        });
        assert_eq!((&drain["state"], &drain["total"], &drain["closed"]), (&json!("drained"), &json!(5), &json!(5)));
        assert_eq!((&drain["left"], &drain["forced"]), (&json!(0), &json!(0)), "{drain}");
        for path in &paths {
            let refused = server.at(path).answer().await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{path}");
        }
        for client in &mut stay {
            client.ask("me").await;
        }
        assert_eq!(server.get_ops("/readyz").await.status, 200);
        let (code, _, err) = server.command(&begin).await;
        assert!(code == 1 && err.contains("is being drained already"), "{err}");
        // Also where the configuration is read again.
        server.configure(&PARTS.replace("20s", "19s"));
        assert_eq!(server.command(&["reload"]).await.0, 0);
        assert_eq!(server.at(paths[0]).answer().await.status, 503);
        let resumed = told(&server, &[&["drain", "--resume", "--json"], &scope[..]].concat()).await;
        assert_eq!(resumed["state"], "resumed");
        for path in &paths {
            server.open(path).await.ask("me").await;
        }
        let (code, _, err) = server.command(&[&["drain", "--resume"], &scope[..]].concat()).await;
        assert!(code == 1 && err.contains("nothing of that is being drained"), "{err}");
    }
    other.ask("me").await;
    assert_eq!(server.metric("socklet_drains_total{scope=\"tenant\",outcome=\"drained\"}").await, 1.0);
    for wrong in [&["--route", "acme/moon"][..], &["--tenant", "moon"], &["--listener", "moon"]] {
        let (code, _, err) = server.command(&[&["drain"], wrong].concat()).await;
        assert!(code == 1 && err.contains("there is no"), "{err}");
    }
    let (code, _, err) = server.command(&["drain", "--tenant", "acme", "--stop"]).await;
    assert!(code == 1 && err.contains("only the node and a listener can be stopped"), "{err}");
    let (code, _, err) = server.command(&["drain", "--close-code", "1000"]).await;
    assert!(code == 1 && err.contains("1000 is for something else"), "{err}");
    assert_eq!(server.terminate().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_drained_and_stopped() {
    let server = Process::start(PARTS).await;
    let inner = format!("unix:{}", server.folder().join("inner.sock").display());
    let connect = || Connect::new(&inner.parse().unwrap(), "/one");
    let (mut by_main, mut by_inner) = (server.open("/one").await, connect().open().await);
    let begin = ["drain", "--listener", "inner", "--stop", "--json"];
    let (drain, reason) = tokio::join!(told(&server, &begin), by_inner.expect_close(1012));
    assert_eq!((drain["state"].as_str(), reason.as_str()), (Some("drained"), "server restarting"), "{drain}");
    by_main.ask("me").await;
    assert!(!server.folder().join("inner.sock").exists());
    let (code, _, err) = server.command(&["drain", "--resume", "--listener", "inner"]).await;
    assert!(code == 1 && err.contains("has stopped what it drained"), "{err}");
    assert_eq!(server.command(&["listener", "start", "inner"]).await.0, 0);
    connect().open().await.ask("me").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_an_old_version_are_drained() {
    let server = Process::start(PARTS).await;
    let mut old = server.open("/one").await;
    // It saves nothing, so whoever is there stays with the version that it began with.
    server.configure(&PARTS.replace("[admin]", "settings = { any = \"thing\" }\n[admin]"));
    assert_eq!(server.command(&["reload"]).await.0, 0);
    let mut new = server.open("/one").await;
    old.ask("me").await;
    let (code, _, err) = server.command(&["drain", "--plugin", "main", "--plugin-version", "2"]).await;
    assert!(code == 1 && err.contains("version 2 of the plugin main is current"), "{err}");
    let begin = ["drain", "--plugin", "main", "--plugin-version", "1", "--json"];
    let (drain, _) = tokio::join!(told(&server, &begin), old.expect_close(1012));
    assert_eq!((&drain["total"], &drain["closed"], &drain["left"]), (&json!(1), &json!(1), &json!(0)), "{drain}");
    new.ask("me").await;
    server.open("/one").await.ask("me").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_is_drained_told_of_first_and_taken_back() {
    let server = Process::start(PARTS).await;
    let mut client = server.open("/one").await;
    // Readiness tells load balancers first: whoever comes meanwhile is served.
    assert_eq!(server.command(&["drain", "--delay", "1h", "--no-wait"]).await.0, 0);
    eventually("it is not ready", async || server.get_ops("/readyz").await.body == "draining\n").await;
    server.open("/two").await.ask("me").await;
    client.ask("me").await;
    assert_eq!(server.command(&["drain", "--resume"]).await.0, 0);
    assert_eq!(server.get_ops("/readyz").await.status, 200);
    // Somebody who does not answer is cut off.
    let stubborn = server.at("/other").wire().await;
    server.until_metric("socklet_connections", 2.0).await;
    let (drain, _) = tokio::join!(told(&server, &["drain", "--timeout", "1s", "--json"]), client.expect_close(1012));
    assert_eq!(
        (&drain["state"], &drain["forced"], &drain["left"]),
        (&json!("drained"), &json!(1), &json!(0)),
        "{drain}"
    );
    drop(stubborn);
    assert_eq!((server.get_ops("/readyz").await.status, server.at("/one").answer().await.status), (503, 503));
    let list = told(&server, &["drain", "--ls", "--json"]).await;
    assert_eq!(list["drains"].as_array().unwrap().len(), 2);
    assert_eq!(server.command(&["drain", "--resume"]).await.0, 0);
    let mut client = server.open("/one").await;
    client.ask("me").await;
    // And with the process.
    let (ended, _) = tokio::join!(server.command(&["drain", "--stop"]), client.expect_close(1012));
    assert_eq!(ended.0, 0, "{}", ended.2);
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
}
