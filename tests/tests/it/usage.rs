//! What tenants use: as metrics, and as files that add up over intervals, swaps, failures and restarts.

use serde_json::Value;
use socklet_tests::{Process, eventually};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn config(version: &str, folder: &Path) -> String {
    format!(
        r#"
        [[route]]
        path = "/a"
        tenant = "acme"
        behavior = "main"
        [[route]]
        path = "/b"
        tenant = "other"
        behavior = "main"
        [plugin.main]
        source = "guest:versioned"
        settings = {{ version = "{version}" }}
        [usage]
        folder = "{}"
        interval = "1s"
        "#,
        folder.display()
    )
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What all files say of a tenant, summed up, by version.
fn sums(folder: &Path, tenant: &str, what: &str) -> BTreeMap<u64, f64> {
    let mut sums = BTreeMap::new();
    for file in files(folder).iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["from"].as_f64().unwrap() < line["to"].as_f64().unwrap(), "{line}");
            if line["tenant"] == tenant {
                *sums.entry(line["version"].as_u64().unwrap()).or_default() += line[what].as_f64().unwrap();
            }
        }
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_add_up_whatever_happens_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (usage, away) = (folder.path().join("usage"), folder.path().join("away"));
    let server = Process::start(&config("one", &usage)).await;
    let (mut a, mut b) = (server.open("/a").await, server.open("/b").await);
    for _ in 0..10 {
        a.ask("12345").await;
    }
    b.ask("1").await;
    eventually("a file", async || sums(&usage, "acme", "messages_received").get(&1) == Some(&10.0)).await;
    // While nothing can be written, nothing is lost.
    fs::rename(&usage, &away).unwrap();
    for _ in 0..5 {
        a.ask("12345").await;
    }
    server.until_log("failed to write a file of the usage export").await;
    fs::rename(&away, &usage).unwrap();
    eventually("the next file", async || sums(&usage, "acme", "messages_received").get(&1) == Some(&15.0)).await;
    // A swap begins another row.
    server.reload_with(&config("two", &usage)).await;
    server.until_metric("socklet_plugin_recycled_total{reason=\"version\"}", 2.0).await;
    for _ in 0..3 {
        a.ask("1").await;
    }
    let series = server.get_ops("/metrics/tenants").await.body;
    let expected =
        "socklet_tenant_messages_received_total{tenant=\"acme\",route=\"a\",plugin=\"main\",version=\"2\"} 3";
    assert!(series.contains(expected), "{series}");
    let expected = "socklet_tenant_connections{tenant=\"other\",route=\"b\",plugin=\"main\",version=\"1\"} 1";
    assert!(series.contains(expected), "{series}");
    // What was used since the last file is in one that a drain writes.
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(sums(&usage, "acme", "messages_received"), [(1, 15.0), (2, 3.0)].into());
    assert_eq!(sums(&usage, "acme", "bytes_received"), [(1, 75.0), (2, 3.0)].into());
    assert_eq!(sums(&usage, "other", "messages_received")[&1], 1.0);
    assert!(sums(&usage, "other", "connection_seconds").values().sum::<f64>() > 1.0);
    assert!(sums(&usage, "acme", "cpu_seconds").values().all(|cpu| *cpu > 0.0));
    assert!(files(&usage).iter().all(|file| file.extension().is_some_and(|extension| extension == "jsonl")));
}
