//! `socklet reload`: has a running server read its configuration again.

use super::{
    client::{Answer, Content, understand},
    exit::Failure,
    out, plugin,
    table::columns,
    target::Target,
};
use anyhow::anyhow;
use clap::Args;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Try everything that can fail, tell what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the server says of a change.
#[derive(Debug, Deserialize)]
struct Report {
    dry_run: bool,
    generation: u64,
    listeners: Vec<Entry>,
    tenants: Vec<Entry>,
    routes: Vec<Entry>,
    plugins: Vec<Entry>,
    settings: Vec<String>,
    closes: BTreeMap<u16, usize>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    change: String,
    keys: Vec<String>,
    closes: usize,
    version: Option<plugin::Version>,
}

/// The most that is said of one kind of thing.
const SHOWN: usize = 20;

/// Reloads all of it.
pub(super) async fn reload(arguments: Arguments) -> Result<(), Failure> {
    arguments.request(Method::POST, "/v1/reload", Content::none()).await
}

// === impl Arguments ===

impl Arguments {
    /// Has the server become what is asked for, and tells what came of it.
    pub(super) async fn request(self, method: Method, path: &str, content: Content) -> Result<(), Failure> {
        let Self { target, dry_run, json } = self;
        let query = if dry_run { "?dry_run=true" } else { "" };
        match target.client()?.request(method, &format!("{path}{query}"), content).await? {
            Answer::Done(report) if json => out::print_json(&report),
            Answer::Done(report) => out::print(&told(report)?),
            // The server's configuration is bad: that has an exit code of its own.
            Answer::Refused(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
                out::complain(&refusal.text);
                return Err(Failure::Told);
            }
            Answer::Refused(refusal) => return Err(anyhow!(refusal.text).into()),
        }
        Ok(())
    }
}

fn told(report: Json) -> anyhow::Result<String> {
    let Report { dry_run, generation, listeners, tenants, routes, plugins, settings, closes } = understand(report)?;
    let mut rows = Vec::new();
    for (what, entries) in [("listener", listeners), ("tenant", tenants), ("route", routes), ("plugin", plugins)] {
        let more = entries.len().saturating_sub(SHOWN);
        rows.extend(entries.into_iter().take(SHOWN).map(|entry| entry.row(what)));
        if more > 0 {
            rows.push([what.to_owned(), "...".to_owned(), format!("and {more} more")]);
        }
    }
    rows.extend(settings.into_iter().map(|key| ["setting".to_owned(), "changed".to_owned(), key]));
    let nothing = rows.is_empty();
    let head = match (dry_run, nothing) {
        (true, true) => "nothing would change".to_owned(),
        (true, false) => "would change".to_owned(),
        (false, true) => "reloaded, nothing was changed".to_owned(),
        (false, false) => format!("reloaded, generation {generation}"),
    };
    let closing = closes.iter().map(|(code, connections)| {
        let verb = if dry_run { "would be closed" } else { "are being closed" };
        format!("{connections} connections {verb} with {code}")
    });
    let table = (!nothing).then(|| columns(&rows));
    Ok([head].into_iter().chain(table).chain(closing).collect::<Vec<_>>().join("\n"))
}

// === impl Entry ===

impl Entry {
    fn row(self, what: &str) -> [String; 3] {
        let Self { name, change, keys, closes, version } = self;
        let mut details = Vec::new();
        if !keys.is_empty() {
            details.push(keys.join(" "));
        }
        details.extend(version.map(|version| version.to_string()));
        if closes > 0 {
            details.push(format!("closes {closes} connections"));
        }
        let details = if details.is_empty() { name } else { format!("{name}: {}", details.join("; ")) };
        [what.to_owned(), change, details]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_is_told_line_by_line() {
        let nothing = json!({
            "dry_run": false, "generation": 3, "listeners": [], "tenants": [], "routes": [], "plugins": [], "settings": [], "closes": {}
        });
        assert_eq!(told(nothing.clone()).unwrap(), "reloaded, nothing was changed");
        let mut report = nothing;
        let version = json!({ "version": 2, "role": "trial", "live": 0, "hibernated": 0, "digest": "sha256:00" });
        report["listeners"] = json!([{ "name": "inner", "change": "added", "keys": [], "closes": 0, "version": null }]);
        report["routes"] = json!([
            { "name": "default/chat", "change": "changed", "keys": ["limits.max_message_size", "host"], "closes": 0, "version": null },
            { "name": "default/old", "change": "removed", "keys": [], "closes": 3, "version": null },
        ]);
        report["plugins"] =
            json!([{ "name": "chat", "change": "changed", "keys": ["component"], "closes": 0, "version": version }]);
        report["settings"] = json!(["limits.max_connections"]);
        report["closes"] = json!({ "1001": 3 });
        assert_eq!(
            told(report.clone()).unwrap(),
            "reloaded, generation 3\n\
             listener  added    inner\n\
             route     changed  default/chat: limits.max_message_size host\n\
             route     removed  default/old: closes 3 connections\n\
             plugin    changed  chat: component; version 2, on trial\n\
             setting   changed  limits.max_connections\n\
             3 connections are being closed with 1001"
        );
        report["dry_run"] = true.into();
        report["routes"] = (0..25).map(|number| json!({ "name": format!("a/r{number}"), "change": "added", "keys": [], "closes": 0, "version": null })).collect();
        let told = told(report).unwrap();
        assert!(told.starts_with("would change\n") && told.contains("route     ...      and 5 more\n"), "{told}");
        assert!(told.ends_with("3 connections would be closed with 1001"), "{told}");
    }
}
