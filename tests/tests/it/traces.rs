//! Traces, as a collector sees them that nobody here wrote.

use serde_json::{Value, json};
use socklet_tests::{Authority, Collector, Process, Wire, eventually, guest, replace};
use std::fs;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A client's `traceparent`.
fn parent(sampled: bool) -> String {
    format!("00-{TRACE}-{SPAN}-{:02}", u8::from(sampled))
}

/// A route with an authenticator in front of a guest.
fn config(behavior: &str, collector: &Collector, trace: &str) -> String {
    format!(
        r#"
        [[route]]
        tenant = "acme"
        name = "inner"
        path = "/inner/{{room}}"
        authenticators = ["grant"]
        behavior = "main"
        hibernate_after = "100ms"
        [plugin.main]
        source = "guest:{behavior}"
        [plugin.grant]
        source = "guest:auth_grant"
        [log]
        format = "json"
        [trace]
        {endpoint}
        interval = "10ms"
        {trace}
        "#,
        endpoint = collector.endpoint(),
    )
}

async fn start(behavior: &str, trace: &str) -> (Collector, Process) {
    let collector = Collector::start(&[]).await;
    let server = Process::start(&config(behavior, &collector, trace)).await;
    (collector, server)
}

fn is_upgrade(span: &Value) -> bool {
    span["kind"] == "SPAN_KIND_SERVER"
}

fn context(span: &Value) -> Value {
    json!({ "trace": span["trace"], "span": span["span"] })
}

#[track_caller]
fn assert_has(span: &Value, attributes: &[(&str, Value)]) {
    for (name, value) in attributes {
        assert_eq!(span["attributes"][name], *value, "{name} in {span}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_is_a_part_of_the_clients_trace_and_later_events_link_to_it() {
    let (collector, server) = start(
        "reporter",
        "sample = 0\nsample_events = 1\ntrust_parent = true\nattributes = { \"service.name\" = \"chat\" }",
    )
    .await;
    let asked = server.at("/inner/x?as=ada").header("traceparent", &parent(true)).header("tracestate", "a=1,b=2");
    let mut client = asked.open().await;
    let id = client.command("me").await;
    let request = client.command("request").await;
    client.close(1000, "").await;
    collector.until_named("on-close").await;
    let upgrade = collector.until("an upgrade", is_upgrade).await;
    assert_eq!([&upgrade["trace"], &upgrade["parent"], &upgrade["state"]], [TRACE, SPAN, "a=1,b=2"]);
    assert_eq!([&upgrade["name"], &upgrade["status"]], ["GET /inner/{room}", "STATUS_CODE_UNSET"]);
    assert_has(
        &upgrade,
        &[
            ("http.request.method", json!("GET")),
            ("http.route", json!("/inner/{room}")),
            ("http.response.status_code", json!(101)),
            ("url.path", json!("/inner/x")),
            ("client.address", json!("127.0.0.1")),
            ("socklet.tenant", json!("acme")),
            ("socklet.route", json!("inner")),
            ("socklet.listener", json!("default")),
            ("socklet.connection", json!(id.to_string())),
            ("socklet.outcome", json!("accepted")),
        ],
    );
    assert_eq!(upgrade["resource"]["service.name"], "chat");
    assert_eq!(upgrade["resource"]["service.instance.id"].as_str().unwrap().len(), 36);
    for (name, plugin, outcome) in
        [("authenticate", "grant", "grant"), ("on-upgrade", "main", "accepted"), ("on-open", "main", "ok")]
    {
        let child = collector.until_named(name).await;
        assert_eq!([&child["trace"], &child["parent"]], [&upgrade["trace"], &upgrade["span"]], "{child}");
        assert_has(&child, &[("socklet.plugin", json!(plugin)), ("socklet.outcome", json!(outcome))]);
        assert!(
            child["start"].as_u64() >= upgrade["start"].as_u64() && child["start"].as_u64() <= child["end"].as_u64()
        );
    }
    for (name, attribute) in
        [("on-message", ("socklet.opcode", json!("text"))), ("on-close", ("socklet.close.code", json!(1000)))]
    {
        let event = collector.until_named(name).await;
        assert_ne!(event["trace"], upgrade["trace"], "a trace of its own");
        assert_eq!((&event["parent"], &event["links"]), (&json!(""), &json!([context(&upgrade)])), "{event}");
        assert_has(
            &event,
            &[attribute, ("socklet.connection", json!(id.to_string())), ("socklet.tenant", json!("acme"))],
        );
    }
    // Plugins can go on with it.
    let own = format!("00-{TRACE}-{}-01", upgrade["span"].as_str().unwrap());
    let attributes = request["attributes"].to_string();
    assert!(attributes.contains(&own) && attributes.contains("a=1,b=2"), "{request}");
    let first = &collector.requests()[0];
    assert_eq!([&first["path"], &first["headers"]["content-type"]], ["/v1/traces", "application/x-protobuf"]);
    // So does the log.
    let (_, log) = server.terminate().await;
    for said in ["accepted", "closed"] {
        let line = log.lines().find(|line| line.contains(&format!("\"message\":\"{said}\""))).expect(said);
        assert!(line.contains(TRACE), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_not_trusted_decides_nothing() {
    let (collector, server) = start("reporter", "sample = 1\nsample_events = 0").await;
    let asked = |sampled| server.at("/inner/x?as=ada").header("traceparent", &parent(sampled));
    asked(false).open().await.close(1000, "").await;
    let upgrade = collector.until("an upgrade", is_upgrade).await;
    assert_ne!(upgrade["trace"], TRACE);
    assert_eq!((&upgrade["parent"], &upgrade["links"]), (&json!(""), &json!([{ "trace": TRACE, "span": SPAN }])));
    // What was sampled at a share of nothing is not told; the upgrade and its parts are.
    server.until_metric("socklet_trace_spans_total{outcome=\"delivered\"}", 4.0).await;
    let (collector, server) = start("reporter", "sample = 0\nsample_events = 1").await;
    let asked = server.at("/inner/x?as=ada").header("traceparent", &parent(true));
    asked.open().await.close(1000, "").await;
    let (code, log) = server.terminate().await;
    assert_eq!((code, collector.requests().len()), (Some(0), 0), "nothing was sent");
    assert!(!log.contains(TRACE), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_clients_have_their_way_at_a_rate() {
    let (collector, server) = start("reporter", "sample = 0\ntrust_parent = true\nparent_rate = \"2/m\"").await;
    for sampled in [false, true, true, true, true] {
        let asked = server.at("/inner/x?as=ada").header("traceparent", &parent(sampled));
        asked.open().await.close(1000, "").await;
    }
    server.open("/inner/x?as=ada").await.close(1000, "").await;
    server.terminate().await;
    // Neither who is not sampled, nor who is beyond the rate, nor who says nothing.
    let upgrades: Vec<_> = collector.spans().into_iter().filter(is_upgrade).collect();
    assert_eq!(upgrades.len(), 2, "{upgrades:?}");
    assert!(upgrades.iter().all(|upgrade| upgrade["trace"] == TRACE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_with_the_event_of_the_log() {
    let (collector, server) = start("trap_message", "sample = 1\nsample_events = 0").await;
    let mut client = server.open("/inner/x?as=ada").await;
    client.ask("fine").await;
    client.send("trap").await;
    let reason = client.expect_close(1011).await;
    let died = collector.until_named("on-message").await;
    let event = died["attributes"]["socklet.event"].as_str().unwrap();
    assert_eq!([&died["status"], &died["attributes"]["error.type"]], ["STATUS_CODE_ERROR", "trap"]);
    assert!(reason.ends_with(event) && died["message"].as_str().unwrap().ends_with(event), "{reason}: {died}");
    let log = server.until_log("plugin instance died").await;
    let line = log.lines().find(|line| line.contains("plugin instance died")).unwrap();
    let upgrade = collector.until("an upgrade", is_upgrade).await;
    assert!(line.contains(event) && line.contains(upgrade["trace"].as_str().unwrap()), "{line}");
    assert_eq!(died["links"], json!([context(&upgrade)]));

    let (collector, server) = start("trap_upgrade", "sample = 1").await;
    assert_eq!(server.at("/inner/x?as=ada").answer().await.status, 500);
    assert_eq!(server.at("/inner/x?deny=403").answer().await.status, 403);
    let failed = collector.until("a failure", |span| is_upgrade(span) && span["status"] == "STATUS_CODE_ERROR").await;
    let asked = collector.until_named("on-upgrade").await;
    assert_eq!(asked["attributes"]["socklet.event"], failed["attributes"]["socklet.event"]);
    assert_has(&failed, &[("error.type", json!("trap")), ("http.response.status_code", json!(500))]);
    let event = failed["attributes"]["socklet.event"].as_str().unwrap();
    assert!(server.until_log("plugin instance died").await.contains(event), "{failed}");
    // A denial is an answer, and none of our failures.
    let denied = collector.until("a denial", |span| span["attributes"]["http.response.status_code"] == 403).await;
    assert_eq!([&denied["status"], &denied["attributes"]["socklet.outcome"]], ["STATUS_CODE_UNSET", "denied"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_wake_ups_and_new_versions_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(guest("versioned"), folder.path().join("main.wasm")).unwrap();
    let collector = Collector::start(&[]).await;
    let config = |version: &str| {
        let config = config("versioned", &collector, "sample = 1\nsample_events = 1");
        let settings = format!("source = \"file:main.wasm\"\nsettings = {{ version = \"{version}\" }}");
        config.replace("source = \"guest:versioned\"", &settings)
    };
    let server = Process::start_in(folder, &config("one")).await;
    let mut client = server.open("/inner/x?as=ada").await;
    client.send("timer 1").await;
    client.expect_text("one 1").await;
    client.expect_text("timer one 1").await;
    let upgrade = collector.until("an upgrade", is_upgrade).await;
    let timer = collector.until_named("on-timer").await;
    assert_eq!((&timer["links"], &timer["parent"]), (&json!([context(&upgrade)]), &json!("")));
    let hibernated = "socklet_plugin_instances{state=\"hibernated\"}";
    server.until_metric(hibernated, 1.0).await;
    assert_eq!(client.ask("a").await, "one 2");
    let woke = collector.until_named("wake-up").await;
    let message = collector.until("the message", |span| span["span"] == woke["parent"]).await;
    assert_eq!((&message["name"], &message["trace"]), (&json!("on-message"), &woke["trace"]));
    server.until_metric(hibernated, 1.0).await;
    server.reload_with(&config("two")).await;
    assert_eq!(client.ask("b").await, "two 3");
    let swap = collector.until_named("swap").await;
    assert_has(&swap, &[("socklet.version.before", json!(1)), ("socklet.version", json!(2))]);
    let message = collector.until("the message", |span| span["span"] == swap["parent"]).await;
    assert_has(&message, &[("socklet.version", json!(2))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_collector_a_server_serves_on() {
    // A port that nobody listens on any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Process::start(&format!(
        "[[route]]\npath = \"/\"\nbehavior = \"echo\"\n[plugin.echo]\nsource = \"stock:echo\"\n\
         [trace]\nendpoint = \"http://{free}\"\nsample = 1\nsample_events = 1\nqueue = 2\ninterval = \"10ms\"\n"
    ))
    .await;
    let mut client = server.open("/").await;
    for _ in 0..600 {
        assert_eq!(client.ask("hello").await, "hello");
    }
    eventually("spans are dropped", async || {
        server.metric("socklet_trace_spans_total{outcome=\"dropped\"}").await > 0.0
    })
    .await;
    client.close(1000, "").await;
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("spans are not delivered").count(), 1, "{log}");
    assert!(log.contains("refused"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_has_a_rate() {
    let (collector, server) = start("reporter", "sample = 1\nsample_events = 1\nmax_spans = \"5/m\"").await;
    let mut client = server.open("/inner/x?as=ada").await;
    for _ in 0..5 {
        client.command("me").await;
    }
    client.close(1000, "").await;
    server.open("/inner/x?as=ada").await.close(1000, "").await;
    server.until_metric("socklet_trace_spans_total{outcome=\"delivered\"}", 5.0).await;
    // The upgrade, what was asked, and of seven events one; of the second connection nothing.
    server.until_metric("socklet_trace_spans_total{outcome=\"throttled\"}", 6.0).await;
    assert_eq!(collector.spans().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_collector_does_not_take_is_sent_again_or_counted() {
    const SECRET: &str = "s3cr3t-m4rk3r";
    let folder = tempfile::tempdir().unwrap();
    replace(folder.path(), "headers", &format!("authorization: Bearer {SECRET}\n"));
    let busy = Collector::start(&["--status", "503", "--times", "2"]).await;
    let trace = "sample = 1\nsample_events = 0\nheaders_file = \"headers\"";
    let config = config("reporter", &busy, trace).replace("[log]", "[log]\nlevel = \"trace\"");
    let server = Process::start_in(folder, &config).await;
    server.open("/inner/x?as=ada").await.close(1000, "").await;
    server.until_metric("socklet_trace_spans_total{outcome=\"delivered\"}", 4.0).await;
    let (_, log) = server.terminate().await;
    let requests = busy.requests();
    assert!(requests.len() >= 3 && requests[0]["spans"] == requests[2]["spans"], "{requests:?}");
    assert!(requests.iter().all(|request| request["headers"]["authorization"] == format!("Bearer {SECRET}")));
    assert!(log.contains("spans are delivered again") && !log.contains(SECRET), "{log}");

    for (arguments, failed) in [(["--status", "400"], 4.0), (["--reject", "1"], 1.0)] {
        let collector = Collector::start(&arguments).await;
        let server = Process::start(
            &self::config("reporter", &collector, "sample = 1\nsample_events = 0\ninterval = \"1s\"")
                .replace("interval = \"10ms\"", ""),
        )
        .await;
        server.open("/inner/x?as=ada").await.close(1000, "").await;
        eventually("a failure", async || {
            server.metric("socklet_trace_spans_total{outcome=\"failed\"}").await >= failed
        })
        .await;
        server.until_log("spans are not delivered").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_with_tls_has_to_be_who_it_says() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("operators"));
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    authority.issue(&["127.0.0.1"]).write(folder.path(), "right");
    authority.issue(&["192.0.2.1"]).write(folder.path(), "wrong");
    let trust = format!("export SSL_CERT_FILE={}", folder.path().join("ca.pem").display());
    for name in ["right", "wrong"] {
        let collector = Collector::start(&["--tls", folder.path().join(name).to_str().unwrap()]).await;
        let config = config("reporter", &collector, "sample = 1\nsample_events = 0").replace("http://", "https://");
        let server = Process::start_limited(tempfile::tempdir().unwrap(), &config, &trust).await;
        server.open("/inner/x?as=ada").await.close(1000, "").await;
        if name == "right" {
            collector.until("an upgrade", is_upgrade).await;
        } else {
            let log = server.until_log("spans are not delivered").await;
            assert!(log.contains("not valid for name"), "{log}");
            assert_eq!(collector.requests().len(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_make_up_makes_no_names() {
    let (collector, server) = start("bad_upgrade", "sample = 1").await;
    let made_up = server.at("/nowhere/secret-path").head().replacen("GET", "MADEUP", 1);
    let mut wire = Wire::connect(server.address()).await;
    wire.write(made_up.as_bytes()).await;
    assert_eq!(wire.answer().await.status, 405);
    let span = collector.until("a refusal", is_upgrade).await;
    assert_eq!([&span["name"], &span["attributes"]["http.request.method"]], ["HTTP", "_OTHER"]);
    assert_eq!(span["attributes"]["url.path"], "/nowhere/secret-path");
    assert_eq!(server.at("/nowhere").answer().await.status, 404);
    collector.until("a request for no route", |span| span["name"] == "GET").await;
    // A plugin that gives a wrong answer has not died, and has an event.
    assert_eq!(server.at("/inner/x?subprotocol=never&as=ada").answer().await.status, 500);
    let invalid =
        collector.until("a wrong answer", |span| is_upgrade(span) && span["status"] == "STATUS_CODE_ERROR").await;
    let event = invalid["attributes"]["socklet.event"].as_str().unwrap();
    assert!(server.until_log("invalid answer").await.contains(event), "{invalid}");
    // Who asks for no WebSocket is not recorded.
    assert_eq!(server.get("/inner/x").await.status, 426);
    server.terminate().await;
    assert_eq!(collector.spans().iter().filter(|span| is_upgrade(span)).count(), 3);
}
