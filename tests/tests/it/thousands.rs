//! A platform with thousands of tenants.

use serde_json::Value;
use socklet_tests::{Metrics, Process, guest};
use std::{fs, io::Write, time::Instant};

/// What all of them share, and the main file.
const MAIN: &str = r#"
    tenants_dir = "tenants.d"
    [[listener]]
    bind = "127.0.0.1:0"
    [plugin.shared]
    source = "stock:echo"
    [admin]
    bind = "unix:admin.sock"
"#;

/// So many tenants with two routes and a plugin each: one on a host of its own, one on a path that begins as all others do.
fn write(folder: &std::path::Path, tenants: usize) {
    let folder = folder.join("tenants.d");
    fs::create_dir(&folder).unwrap();
    fs::copy(guest("versioned"), folder.join("own.wasm")).unwrap();
    for number in 0..tenants {
        fs::write(folder.join(format!("t{number}.toml")), tenant(number, "1KiB")).unwrap();
    }
}

fn tenant(number: usize, size: &str) -> String {
    format!(
        r#"
        [quotas]
        max_connections = 100
        messages_per_second = "500/s"
        [[route]]
        host = "t{number}.example.com"
        path = "/chat/{{room}}"
        behavior = "own"
        instance = {{ key = "{{room}}" }}
        limits.max_message_size = "{size}"
        [[route]]
        path = "/t/t{number}/feed"
        behavior = "shared"
        [plugin.own]
        source = "file:own.wasm"
        settings = {{ version = "t{number}" }}
        "#
    )
}

async fn request(server: &Process, line: &str) -> (Value, f64) {
    let began = Instant::now();
    let answer = server.ask_admin(line, "", b"").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (serde_json::from_str(&answer.body).unwrap(), began.elapsed().as_secs_f64() * 1e3)
}

/// Starts so many, uses some of them, changes one, and tells what it took.
async fn serve(tenants: usize) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), tenants);
    let began = Instant::now();
    let server = Process::start_in(folder, MAIN).await;
    let started = began.elapsed().as_secs_f64();
    let idle = server.rss() >> 20;
    let last = tenants - 1;
    let host = format!("t{last}.example.com");
    let chat = || server.at("/chat/a").host(&host);
    let began = Instant::now();
    let mut own = chat().open().await;
    let first = began.elapsed().as_secs_f64() * 1e3;
    assert_eq!(own.ask("a").await, format!("t{last} 1"));
    let mut shared = server.open(&format!("/t/t{last}/feed")).await;
    assert_eq!(shared.ask("b").await, "b");
    assert_eq!(server.get("/t/nobody/feed").await.status, 404);
    // Their code is there once, whoever uses it.
    for number in 0..100 {
        let mut client = server.at("/chat/b").host(&format!("t{number}.example.com")).open().await;
        assert_eq!(client.ask("a").await, format!("t{number} 1"));
    }
    let used = server.rss() >> 20;

    let file = server.folder().join(format!("tenants.d/t{last}.toml"));
    fs::write(&file, tenant(last, "10B")).unwrap();
    let mut times = Vec::new();
    for round in 0..10 {
        let (report, time) = request(&server, &format!("POST /v1/tenants/t{last}/reload")).await;
        let changed = report["routes"].as_array().unwrap().len();
        assert_eq!(changed, usize::from(round == 0), "{report}");
        times.push(time);
    }
    times.sort_by(f64::total_cmp);
    own.send("longer than ten bytes").await;
    own.expect_close(1009).await;
    assert_eq!(shared.ask("c").await, "c");
    let (report, all) = request(&server, "POST /v1/reload").await;
    assert_eq!((&report["routes"], &report["plugins"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let (list, listed) = request(&server, "GET /v1/tenants?limit=1000").await;
    assert_eq!(list["tenants"].as_array().unwrap().len(), tenants.min(1000));
    assert_eq!(request(&server, "GET /v1/status").await.0["tenants"], tenants);
    fs::remove_file(file).unwrap();
    request(&server, &format!("POST /v1/tenants/t{last}/reload")).await;
    assert_eq!(chat().answer().await.status, 404);
    shared.expect_close(1001).await;

    let series = |metrics: &Metrics| metrics.text().lines().filter(|line| !line.starts_with('#')).count();
    let series = series(&server.metrics().await);
    assert!(series < 2_000, "{series} series");
    let mut stderr = std::io::stderr().lock();
    let told = writeln!(
        stderr,
        "{tenants} tenants: started in {started:.2} s with {idle} MiB, {used} MiB with 101 in use; first request {first:.1} ms; \
         one tenant reloaded in {:.1} ms (median of 10, {:.1} to {:.1}), all in {all:.0} ms; listed in {listed:.0} ms; {series} series",
        times[5], times[0], times[9]
    );
    assert!(told.is_ok());
    drop(stderr);
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_tenants_are_served_and_changed_one_by_one() {
    serve(500).await;
}

/// `cargo test --workspace --test it -- --ignored --nocapture five_thousand`; the figures of the guide are those of a release build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; the smaller one runs always"]
async fn five_thousand_tenants_with_ten_thousand_routes() {
    serve(5_000).await;
}
