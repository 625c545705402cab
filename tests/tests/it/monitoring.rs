//! What operators load into Prometheus and Grafana: valid, and about metrics that there are.

use serde_json::Value;
use socklet_tests::repository;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn monitoring(file: &str) -> PathBuf {
    repository().join("host/monitoring").join(file)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Runs promtool. Where there is none, `make test` says so at its end.
fn promtool(arguments: &[&str]) {
    let promtool = repository().join(".tools/promtool");
    if repository().join(".tools/promtool.skipped").exists() {
        return;
    }
    assert!(promtool.exists(), "`make setup` was not run");
    let output = Command::new(promtool).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Every query of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text(&monitoring("dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let queries: Vec<_> =
        targets.chain(annotations).map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(queries.len() > 40, "{}", queries.len());
    queries
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("socklet_") && word.len() > "socklet_".len());
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
}

#[test]
fn rules_are_valid_and_fire_when_they_should() {
    let (rules, tests) = (monitoring("alerts.yml"), monitoring("alerts.test.yml"));
    promtool(&["check", "rules", rules.to_str().unwrap()]);
    promtool(&["test", "rules", tests.to_str().unwrap()]);
}

#[test]
fn queries_of_the_dashboard_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    let mut text = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, query) in queries().iter().enumerate() {
        // Grafana fills these in.
        let query = query.replace("$__rate_interval", "5m").replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        writeln!(text, "      - {{ record: query_{index}, expr: '{query}' }}").unwrap();
    }
    fs::write(&rules, text).unwrap();
    promtool(&["check", "rules", rules.to_str().unwrap()]);
}

#[test]
fn rules_and_dashboard_are_about_metrics_that_there_are() {
    let guide = text(&repository().join("host/docs/operations.md"));
    let known: BTreeSet<_> = guide.split('`').filter(|code| code.starts_with("socklet_")).flat_map(metrics).collect();
    let (rules, queries) = (text(&monitoring("alerts.yml")), queries().join("\n"));
    for (file, used) in [("alerts.yml", metrics(&rules)), ("dashboard.json", metrics(&queries))] {
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, which host/docs/operations.md does not know");
    }
    // A dashboard that leaves something out should do so on purpose.
    let shown = metrics(&queries);
    let apart = ["socklet_build_info", "socklet_draining", "socklet_sockets", "socklet_config_reloads_total"];
    let missing: Vec<_> = known
        .difference(&shown)
        .filter(|name| {
            !apart.contains(name) && !name.starts_with("socklet_tenant_") && !name.starts_with("socklet_usage_")
        })
        .collect();
    assert!(missing.is_empty(), "the dashboard does not show {missing:?}");
}

#[test]
fn every_alert_is_explained() {
    let (rules, guide) = (text(&monitoring("alerts.yml")), text(&repository().join("host/docs/monitoring.md")));
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<_> = names.filter(|name| !guide.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "host/docs/monitoring.md does not say what to do about {missing:?}");
}
