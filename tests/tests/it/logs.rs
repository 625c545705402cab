//! What operators see: the log, with everything secret masked, and who a line is about.

use serde_json::Value;
use socklet_tests::{Process, eventually};

const SECRET: &str = "s3cr3t-m4rk3r";
/// The same in base64, as the Basic scheme sends it.
const ENCODED: &str = "YWRhOnMzY3IzdC1tNHJrM3I=";

/// A guest in front of which somebody asks for names and passwords.
fn config(log: &str) -> String {
    format!(
        r#"
        [[route]]
        path = "/open"
        behavior = "main"
        [[route]]
        tenant = "acme"
        name = "inner"
        path = "/inner/{{room}}"
        authenticators = ["basic", "grant"]
        behavior = "main"
        [plugin.main]
        source = "guest:reporter"
        settings = {{ password = "{SECRET}" }}
        [plugin.main.grants]
        credentials = true
        [plugin.grant]
        source = "guest:auth_grant"
        [plugin.basic]
        source = "stock:basic_auth"
        settings = {{ users = {{ ada = "$2b$04$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e" }}, without_credentials = "abstain" }}
        [log]
        {log}
        "#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_ever_logged_or_counted() {
    let server = Process::start(&config("level = \"trace\"\nmask_query = [\"token\", \"as\"]")).await;
    let asks = |path: &str| {
        let request = server.at(path).header("authorization", &format!("Basic {ENCODED}"));
        let request = request.header("cookie", &format!("session={SECRET}")).header("x-api-key", SECRET);
        request.header("x-plain", "shown-header")
    };
    let mut client = asks(&format!("/open?token={SECRET}&plain=shown-query&TOKEN={SECRET}")).open().await;
    client.command("me").await;
    client.close(1000, "").await;
    // A wrong password, a name that an authenticator gives, a request that is refused by a dying plugin's neighbor.
    assert_eq!(asks(&format!("/inner/x?token={SECRET}")).answer().await.status, 401);
    server.open(&format!("/inner/x?as={SECRET}")).await.close(1000, "").await;
    assert_eq!(asks(&format!("/nowhere?token={SECRET}")).answer().await.status, 404);
    assert_eq!(server.get(&format!("/open?token={SECRET}")).await.status, 426);
    let metrics = server.metrics().await;
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    for secret in [SECRET, ENCODED] {
        let leak = log.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None, "a secret is in the log");
        assert!(!metrics.text().contains(secret), "{}", metrics.text());
    }
    for shown in ["shown-query", "shown-header", "token=***", "/open", "accepted"] {
        assert!(log.contains(shown), "{shown} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_plugins_say_whose_they_are() {
    let server = Process::start(&config("format = \"json\"")).await;
    let mut client = server.open("/inner/x?as=ada").await;
    client.command("log warn from the log").await;
    client.command("stdout from stdout").await;
    client.command("stderr from stderr").await;
    client.close(1000, "").await;
    let (_, log) = server.terminate().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    for (text, level) in [("from the log", "WARN"), ("from stdout", "INFO"), ("from stderr", "WARN")] {
        let line = lines.iter().find(|line| line["message"].as_str().is_some_and(|said| said.contains(text)));
        let line = line.unwrap_or_else(|| panic!("{text} in {log}"));
        assert_eq!(line["level"], level, "{line}");
        let whole = line.to_string();
        for part in ["acme", "inner", "main"] {
            assert!(whole.contains(part), "{part} in {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_leads_to_the_line_that_tells_more() {
    let server = Process::start(
        "[[route]]\ndefault = true\nbehavior = 'm'\n[plugin.m]\nsource = 'guest:trap_message'\n\
         [[route]]\npath = '/upgrade'\nbehavior = 'u'\n[plugin.u]\nsource = 'guest:trap_upgrade'\n",
    )
    .await;
    let mut client = server.open("/").await;
    client.send("trap").await;
    let reason = client.expect_close(1011).await;
    let body = server.at("/upgrade").answer().await.body;
    for told in [reason.as_str(), body.trim_end()] {
        assert!(!told.contains("trap") && !told.contains("unreachable"), "no internals: {told}");
        let event = told.rsplit(' ').next().unwrap().to_owned();
        eventually("the event's line", async || {
            let log = server.log();
            log.lines().any(|line| line.contains(&event) && line.contains("WARN") && line.contains("unreachable"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_out_of_the_log_is_counted() {
    let sample = "format = \"json\"\nsample = { accepted = 0.25, refused = 0 }\nmax_rate = \"5/m\"";
    let server = Process::start(&config(sample)).await;
    for _ in 0..8 {
        server.open("/open").await.close(1000, "").await;
        assert_eq!(server.at("/nowhere").answer().await.status, 404);
    }
    let left_out = |kind: &str| format!("socklet_log_lines_left_out_total{{kind=\"{kind}\"}}");
    for (kind, lines) in [("accepted", 6.0), ("refused", 8.0), ("closed", 3.0), ("failed", 0.0)] {
        server.until_metric(&left_out(kind), lines).await;
    }
    let (_, log) = server.terminate().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    let written = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    assert_eq!([written("accepted"), written("refused"), written("closed")], [2, 0, 5]);
    let told = lines.iter().filter(|line| line["message"] == "log lines were left out");
    let told: Vec<_> = told.map(|line| (line["kind"].as_str().unwrap(), line["lines"].as_u64().unwrap())).collect();
    assert_eq!(told, [("accepted", 6), ("refused", 8), ("closed", 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_deaths_is_told_by_its_number() {
    let server = Process::start(
        "[[route]]\npath = '/'\nbehavior = 'm'\nmax_deaths = 'none'\n[plugin.m]\nsource = 'guest:trap_upgrade'\n[log]\nmax_rate = '2/m'\n",
    )
    .await;
    for _ in 0..6 {
        assert_eq!(server.at("/").answer().await.status, 500);
    }
    let (_, log) = server.terminate().await;
    assert_eq!(log.matches("plugin instance died").count(), 2, "{log}");
    let told = log.lines().find(|line| line.contains("log lines were left out") && line.contains("failed"));
    assert!(told.is_some_and(|line| line.contains("WARN") && line.contains('4')), "{log}");
}
