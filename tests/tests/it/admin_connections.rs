//! Connections, routes and tenants over the admin API, and the commands that speak to it.

use serde_json::{Value, json};
use socklet_tests::{Process, eventually};
use std::collections::BTreeSet;

const CONFIG: &str = r#"
    [[listener]]
    name = "front"
    bind = "127.0.0.1:0"
    [[listener]]
    name = "back"
    bind = "127.0.0.1:0"
    [[route]]
    tenant = "acme"
    path = "/chat/{room}"
    behavior = "main"
    authenticators = ["passwords"]
    subprotocols = ["chat.v2"]
    [[route]]
    tenant = "other"
    path = "/other"
    behavior = "main"
    limits = { max_message_size = "1KiB", idle_timeout = "5m", messages_per_second = "100/s" }
    [tenant.acme]
    max_connections = 10
    messages_per_second = "500/s"
    cpu = 0.5
    [plugin.main]
    source = "guest:reporter"
    [plugin.passwords]
    source = "stock:basic_auth"
    settings = { users = { ada = "$2b$10$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e" } }
    [admin]
    bind = "unix:admin.sock"
"#;

const ADA: &str = "Basic YWRhOmxvdmVsYWNl";

async fn get(server: &Process, path: &str) -> Value {
    let (status, data) = server.api("", &format!("GET {path}"), "", b"").await;
    assert_eq!(status, 200, "{path}: {data}");
    data
}

fn ids(page: &Value) -> Vec<u64> {
    page["connections"].as_array().unwrap().iter().map(|connection| connection["id"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_shown_with_everything_that_is_known_of_it() {
    let server = Process::start(CONFIG).await;
    let connect = server.at("/chat/a").header("authorization", ADA).subprotocols("chat.v2");
    let mut client = connect.open().await;
    let id = client.command("me").await.as_u64().unwrap();
    client.ask("echo hello").await;
    let shown = get(&server, &format!("/v1/connections/{id}")).await;
    let expected = json!({
        "id": id, "tenant": "acme", "route": "chat-room", "listener": "front", "principal": "ada", "subprotocol": "chat.v2",
        "state": "open", "messages_received": 2, "bytes_received": 12, "messages_sent": 2, "queued_bytes": 0,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}: {shown}");
    }
    assert!(shown["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    assert!(shown["bytes_sent"].as_u64().unwrap() > 4, "{shown}");
    let opened = shown["opened_at"].as_str().unwrap();
    assert!(opened.ends_with('Z') && opened.len() >= "2026-01-31T12:00:00Z".len(), "{opened}");
    assert_eq!(shown["instance"]["plugin"], "main");
    assert_eq!((&shown["instance"]["version"], &shown["instance"]["state"]), (&json!(1), &json!("live")));

    let (code, out, err) = server.command(&["conn", "show", &id.to_string()]).await;
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["principal", "ada"]) && lines.contains(&vec!["subprotocol", "chat.v2"]), "{out}");
    let (code, out, _) = server.command(&["conn", "show", &id.to_string(), "--json"]).await;
    let again: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &again["opened_at"]), (0, &shown["opened_at"]));
    for unknown in ["1", "0", "x", "-1", "9007199254740991", "18446744073709551616"] {
        let (status, problem) = server.api("", &format!("GET /v1/connections/{unknown}"), "", b"").await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:socklet:problem:not-found")), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_listed_page_by_page_and_filtered() {
    let server = Process::start(CONFIG).await;
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(server.open("/other").await);
    }
    let mut ada = server.at("/chat/a").header("authorization", ADA).open().await;
    let of_ada = ada.command("me").await.as_u64().unwrap();
    let mut back = socklet_tests::Connect::new(server.listener("back"), "/other").open().await;
    let of_back = back.command("me").await.as_u64().unwrap();

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&server, &format!("/v1/connections?limit=2{cursor}")).await;
        assert!(ids(&page).len() <= 2, "{page}");
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_u64() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 9, "{seen:?}");
    for (filter, count) in [
        ("", 9),
        ("?tenant=other", 8),
        ("?tenant=acme", 1),
        ("?tenant=nobody", 0),
        ("?route=chat-room", 1),
        ("?route=other&tenant=acme", 0),
        ("?listener=back", 1),
        ("?listener=front&tenant=other", 7),
        ("?principal=ada", 1),
        ("?principal=grace", 0),
    ] {
        assert_eq!(ids(&get(&server, &format!("/v1/connections{filter}")).await).len(), count, "{filter}");
    }
    assert_eq!(ids(&get(&server, "/v1/connections?principal=ada").await), [of_ada]);
    assert_eq!(ids(&get(&server, "/v1/connections?listener=back").await), [of_back]);
    for (query, said) in [
        ("?limit=0", "limit: expected 1 to 1000"),
        ("?limit=1001", "limit: expected 1 to 1000"),
        ("?limit=x", "invalid"),
        ("?tenant=A", "\"A\" is not a name"),
        ("?teannt=a", "unknown field `teannt`, expected one of `tenant`"),
        ("?tenant=a&tenant=b", "unsupported value"),
    ] {
        let (status, problem) = server.api("", &format!("GET /v1/connections{query}"), "", b"").await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 400 && detail.contains(said), "{query}: {status} {detail}");
    }

    let (code, out, err) = server.command(&["conn", "ls", "--tenant", "acme"]).await;
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..4], ["ID", "ROUTE", "PEER", "PRINCIPAL"]);
    assert_eq!(
        (lines.len(), lines[1][0], lines[1][1], lines[1][3]),
        (2, &*of_ada.to_string(), "acme/chat-room", "ada")
    );
    let (code, out, err) = server.command(&["conn", "ls", "--limit", "3"]).await;
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 4, "and more: only 3 are listed, see --limit\n"));
    let (_, out, _) = server.command(&["conn", "ls", "--json"]).await;
    assert_eq!(ids(&serde_json::from_str(&out).unwrap()).len(), 9);
    drop((clients, ada));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_sent_to_and_closed() {
    let server = Process::start(CONFIG).await;
    let mut client = server.open("/other").await;
    let id = client.command("me").await.to_string();
    let (code, out, err) = server.command(&["conn", "send", &id, "hello there"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("sent, ") && out.ends_with(" queued\n"), "{out}");
    client.expect_text("hello there").await;
    std::fs::write(server.folder().join("bytes"), [0, 255, 1]).unwrap();
    let (code, _, err) = server.command(&["conn", "send", &id, "--file", "bytes", "--binary"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    client.expect_binary(&[0, 255, 1]).await;
    let (code, _, err) = server.command(&["conn", "send", &id, "--file", "bytes"]).await;
    assert!(code == 1 && err.contains("a text must be UTF-8"), "{err}");
    let path = format!("POST /v1/connections/{id}/messages");
    let (status, _) = server.api("", &path, "application/json", b"{\"a\": 1}").await;
    assert_eq!(status, 200);
    client.expect_text("{\"a\": 1}").await;
    for (media_type, body, status, kind) in [
        ("application/x-www-form-urlencoded", &b"a"[..], 415, "media-type"),
        ("", b"a", 415, "media-type"),
        ("text/plain", b"\xff", 422, "content"),
        // The queue of one connection has room for one MiB.
        ("application/octet-stream", &vec![0; (1 << 20) + 1], 413, "too-large"),
        ("application/octet-stream", &vec![0; (16 << 20) + 1], 413, "too-large"),
    ] {
        let (answered, problem) = server.api("", &path, media_type, body).await;
        assert_eq!(
            (answered, &problem["type"]),
            (status, &json!(format!("urn:socklet:problem:{kind}"))),
            "{media_type}"
        );
    }
    for (query, said) in [
        ("?code=1006", "close code 1006 may not be sent"),
        ("?code=999", "close code 999 may not be sent"),
        ("?code=x", "invalid"),
        (&format!("?reason={}", "x".repeat(124)), "at most 123"),
        ("?why=x", "unknown field `why`"),
    ] {
        let (status, problem) = server.api("", &format!("DELETE /v1/connections/{id}{query}"), "", b"").await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(said), "{query}: {problem}");
    }
    assert_eq!(client.ask("echo still here").await, "still here");
    let close = ["conn", "close", &id, "--code", "4001", "--reason", "bye & more"];
    let (code, out, err) = server.command(&close).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "closing\n", ""));
    let (status, again) = server.api("", &format!("DELETE /v1/connections/{id}"), "", b"").await;
    assert_eq!((status, &again["changed"]), (200, &json!(false)));
    assert_eq!(client.expect_close(4001).await, "bye & more");
    eventually("it has gone", async || server.api("", &format!("GET /v1/connections/{id}"), "", b"").await.0 == 404)
        .await;
    let (code, _, err) = server.command(&["conn", "close", &id]).await;
    assert_eq!((code, err), (1, format!("socklet: there is no connection {id}\n")));
    let closed = "socklet_connections_closed_total{code=\"4xxx\",cause=\"operator\"}";
    assert_eq!(server.metric(closed).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_are_listed_and_shown_and_sent_to() {
    let server = Process::start(CONFIG).await;
    let (mut a, mut b) = (server.open("/other").await, server.open("/other").await);
    let mut ada = server.at("/chat/a").header("authorization", ADA).open().await;
    let of_a = a.command("me").await.to_string();
    b.command("subscribe news/today now").await;

    let page = get(&server, "/v1/routes?limit=1").await;
    assert_eq!((&page["routes"][0]["name"], &page["next"]), (&json!("chat-room"), &json!("acme/chat-room")));
    let page = get(&server, "/v1/routes?limit=1&cursor=acme%2Fchat-room").await;
    assert_eq!((&page["routes"][0]["name"], &page["next"]), (&json!("other"), &Value::Null));
    assert_eq!(get(&server, "/v1/routes?tenant=acme").await["routes"].as_array().unwrap().len(), 1);
    let route = get(&server, "/v1/routes/other/other").await;
    assert_eq!(
        (&route["connections"], &route["behavior"], &route["path"]),
        (&json!(2), &json!("main"), &json!("/other"))
    );
    assert_eq!(route["heartbeat"], json!({ "interval": "20s", "message": "heartbeat" }));
    let limits = &route["limits"];
    for (name, limit) in [
        ("max_message_size", "1KiB"),
        ("idle_timeout", "5m"),
        ("messages_per_second", "100/s"),
        ("max_lifetime", "none"),
    ] {
        assert_eq!(limits[name], limit, "{limits}");
    }
    assert_eq!(get(&server, "/v1/routes/acme/chat-room").await["authenticators"], json!(["passwords"]));

    let (code, out, err) = server.command(&["route", "send", "other/other", "to all"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "queued for 2 connections\n", ""));
    a.expect_text("to all").await;
    b.expect_text("to all").await;
    let (_, out, _) = server.command(&["route", "send", "other/other", "but a", "--but", &of_a, "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "accepted": 1 }));
    b.expect_text("but a").await;
    let (_, out, _) = server.command(&["route", "send", "other/other", "news", "--topic", "news/today now"]).await;
    assert_eq!(out, "queued for 1 connections\n");
    b.expect_text("news").await;
    assert_eq!(
        server.command(&["route", "send", "other/other", "x", "--topic", "none"]).await.1,
        "queued for 0 connections\n"
    );
    assert_eq!(a.ask("echo only").await, "only");
    assert_eq!(ada.ask("echo only").await, "only");

    let (code, out, _) = server.command(&["route", "ls"]).await;
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (code, &lines[1][..]),
        (0, &["acme/chat-room", "-", "/chat/{room}", "main", "passwords", "1"][..]),
        "{out}"
    );
    let (code, out, _) = server.command(&["route", "show", "other/other"]).await;
    assert!(code == 0 && out.contains("max_message_size      1KiB\n"), "{out}");
    let (code, _, err) = server.command(&["route", "show", "other/moon"]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no route other/moon\n"));
    assert_eq!(server.command(&["route", "show", "other"]).await.0, 2);
    let (status, _) = server.api("", "POST /v1/routes/other/moon/messages", "text/plain", b"x").await;
    assert_eq!(status, 404);
    let long = format!("POST /v1/routes/other/other/topics/{}/messages", "x".repeat(256));
    assert_eq!(server.api("", &long, "text/plain", b"x").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_changes_for_connections_that_are_open() {
    let server = Process::start(CONFIG).await;
    let mut client = server.open("/other").await;
    client.command("me").await;
    let (code, out, err) =
        server.command(&["route", "set", "other/other", "--heartbeat", "1s", "--heartbeat-message", "beat"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("1s, \"beat\""), "{out}");
    assert_eq!(&client.expect_ping().await[..], b"beat");
    let path = "PATCH /v1/routes/other/other";
    for (body, status, said) in [
        ("{\"heartbeat\": {\"interval\": \"0s\"}}", 422, "heartbeat.interval = \"0s\": zero is not a time to wait"),
        ("{\"heartbeat\": {\"interval\": \"2d\"}}", 422, "is not between 1s and 24h"),
        ("{\"heartbeat\": {\"interval\": 5}}", 422, "expected a string"),
        ("{\"heartbeet\": {}}", 422, "unknown field `heartbeet`, expected"),
        ("{", 422, "EOF while parsing"),
        (&format!("{{\"heartbeat\": {{\"message\": \"{}\"}}}}", "x".repeat(126)), 422, "heartbeat.message: "),
    ] {
        let (answered, problem) = server.api("", path, "application/json", body.as_bytes()).await;
        assert!(
            answered == status && problem["detail"].as_str().unwrap().contains(said),
            "{body}: {answered} {problem}"
        );
    }
    assert_eq!(server.api("", path, "text/plain", b"{}").await.0, 415);
    assert_eq!(server.api("", path, "application/json", &[b' '; 20_000]).await.0, 413);
    let route = get(&server, "/v1/routes/other/other").await;
    assert_eq!(route["heartbeat"], json!({ "interval": "1s", "message": "beat" }));
    assert_eq!(server.command(&["route", "set", "other/other"]).await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_change_for_connections_that_are_open() {
    let server = Process::start(CONFIG).await;
    let mut client = server.open("/other").await;
    client.command("me").await;
    // All of it, or nothing.
    let body = br#"{"limits": {"max_message_size": "8B", "idle_timeout": "soon"}}"#;
    let (status, problem) = server.api("", "PATCH /v1/routes/other/other", "application/json", body).await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("limits.idle_timeout"), "{problem}");
    client.command("ids").await;
    let shown = get(&server, "/v1/routes/other/other").await;
    assert_ne!(shown["limits"]["max_message_size"], "8B");
    let limits = ["--limit", "max_message_size=8B", "--limit", "max_fragments=7", "--limit", "max_connections=1"];
    let (code, out, err) = server.command(&[&["route", "set", "other/other"], &limits[..]].concat()).await;
    assert!(code == 0 && out.contains("8B"), "{out}{err}");
    let shown = get(&server, "/v1/routes/other/other").await;
    assert_eq!((&shown["limits"]["max_fragments"], &shown["limits"]["max_connections"]), (&json!(7), &json!("1")));
    assert_eq!(server.at("/other").answer().await.status, 503);
    client.send("longer than eight").await;
    client.closed_after_messages().await;
    server.until_metric("socklet_connections_closed_total{code=\"1009\"}", 1.0).await;
    let (code, _, err) = server.command(&["route", "set", "other/other", "--limit", "max_mesage_size=1KiB"]).await;
    assert!(code == 1 && err.contains("unknown field `max_mesage_size`"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_usage_and_status() {
    let server = Process::start(CONFIG).await;
    let mut ada = server.at("/chat/a").header("authorization", ADA).open().await;
    ada.command("subscribe news").await;
    let acme = get(&server, "/v1/tenants/acme").await;
    assert_eq!((&acme["name"], &acme["routes"]), (&json!("acme"), &json!(1)));
    assert_eq!((&acme["used"]["connections"], &acme["used"]["topics"]), (&json!(1), &json!(1)), "{acme}");
    assert!(acme["used"]["memory_bytes"].as_u64().unwrap() > 0, "{acme}");
    let quotas = &acme["quotas"];
    assert_eq!((&quotas["max_connections"], &quotas["messages_per_second"]), (&json!(10), &json!("500/s")));
    assert_eq!((&quotas["cpu"], &quotas["max_topics"]), (&json!(0.5), &Value::Null));
    let (code, out, _) = server.command(&["tenant", "ls"]).await;
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((code, &lines[0][..4]), (0, &["TENANT", "ROUTES", "PLUGINS", "CONNECTIONS"][..]));
    assert_eq!(
        (&lines[1][..4], &lines[2][..4]),
        (&["acme", "1", "0", "1"][..], &["other", "1", "0", "0"][..]),
        "{out}"
    );
    let (code, out, _) = server.command(&["tenant", "show", "acme"]).await;
    assert!(code == 0 && out.contains("max_connections"), "{out}");
    let (code, _, err) = server.command(&["tenant", "show", "moon"]).await;
    assert_eq!((code, err.as_str()), (1, "socklet: there is no tenant moon\n"));

    let usage = get(&server, "/v1/usage?tenant=acme").await;
    let rows: Vec<_> = usage["usage"].as_array().unwrap().iter().filter(|row| row["plugin"] == "main").collect();
    assert_eq!((rows.len(), &rows[0]["route"], &rows[0]["messages_received"]), (1, &json!("chat-room"), &json!(1)));
    assert!(get(&server, "/v1/usage?limit=1").await["next"].is_string());
    let (code, out, _) = server.command(&["usage", "--tenant", "acme"]).await;
    assert!(code == 0 && out.starts_with("ROUTE ") && out.contains("acme/chat-room"), "{out}");

    let status = get(&server, "/v1/status").await;
    for (name, value) in [("connections", 1), ("tenants", 2), ("routes", 2), ("plugins", 2)] {
        assert_eq!(status[name], value, "{name}: {status}");
    }
    assert_eq!((&status["draining"], &status["version"]), (&json!(false), &json!(env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = server.command(&["status"]).await;
    assert!(code == 0 && out.contains("connections  1\n"), "{out}");
    let (_, out, _) = server.command(&["status", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["routes"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_client_that_does_not_read_is_seen() {
    let server = Process::start(CONFIG).await;
    let mut stalled = server.at("/other").wire().await;
    let page = get(&server, "/v1/connections?tenant=other").await;
    let id = ids(&page)[0];
    let path = format!("POST /v1/connections/{id}/messages");
    // What the socket does not take waits in the queue: how much that is, is the system's business.
    eventually("something waits", async || {
        let (status, sent) = server.api("", &path, "application/octet-stream", &vec![7; 512 << 10]).await;
        status == 503 || (status == 200 && sent["queued_bytes"].as_u64().unwrap() > 0)
    })
    .await;
    stalled.write(b"").await;
}
