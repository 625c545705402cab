//! `/v1/reload`, and that of a tenant: the configuration is read again.

use super::{
    Problem,
    call::{Call, Reply, json},
    plugins::Version,
};
use crate::{
    config::{MAX_FILE, Written, path_of},
    live::{Change, Entry, Report},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socklet_core::TenantName;
use std::collections::BTreeMap;

/// How it is done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Everything that can fail is tried, what would change is told, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
}

/// What a reload comes to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reloaded {
    /// True: nothing was changed, this is what would be.
    dry_run: bool,
    /// Counts the changes since the server was started: that of what runs now.
    generation: u64,
    listeners: Vec<Changed>,
    tenants: Vec<Changed>,
    routes: Vec<Changed>,
    plugins: Vec<Changed>,
    /// Keys of everything else that is different.
    settings: Vec<&'static str>,
    /// How many connections are closed, by close code.
    closes: BTreeMap<String, usize>,
}

/// One thing that changes.
#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    name: String,
    #[schemars(extend("enum" = ["added", "removed", "changed"]))]
    change: &'static str,
    /// The keys that are different. Of a plugin also `component`: its file is another one.
    keys: Vec<&'static str>,
    /// How many connections are closed for it.
    closes: usize,
    /// Of a plugin: the version that new connections get. Null before it is one.
    version: Option<Version>,
}

/// `POST /v1/reload`
pub(super) async fn all(call: &mut Call) -> Result<Reply, Problem> {
    let How { dry_run } = call.query()?;
    answer(call, call.state.control.clone().reload(dry_run).await?)
}

/// `POST /v1/tenants/{tenant}/reload`
pub(super) async fn of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    let How { dry_run } = call.query()?;
    become_of(call, Written::AsItIs, dry_run).await
}

/// `PUT /v1/tenants/{tenant}`
pub(super) async fn put_tenant(call: &mut Call) -> Result<Reply, Problem> {
    let How { dry_run } = call.query()?;
    if call.media_type() != "application/toml" {
        return Err(Problem::MediaType("application/toml"));
    }
    let bytes = call.body.read(MAX_FILE).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::Content("it is not UTF-8".to_owned()))?;
    become_of(call, Written::Text(text), dry_run).await
}

/// `DELETE /v1/tenants/{tenant}`
pub(super) async fn delete_tenant(call: &mut Call) -> Result<Reply, Problem> {
    let How { dry_run } = call.query()?;
    become_of(call, Written::Gone, dry_run).await
}

async fn become_of(call: &mut Call, written: Written, dry_run: bool) -> Result<Reply, Problem> {
    let name = call.captured("tenant");
    let tenant: TenantName = name.parse().map_err(|_| Problem::NoSuch("tenant", name.to_owned()))?;
    let control = call.state.control.clone();
    if control.live().config.tenants_dir().is_none() {
        return Err(Problem::Conflict(
            "there is no folder for it: write tenants_dir into the configuration, and restart".to_owned(),
        ));
    }
    let live = control.live();
    let file = live.config.tenants_dir().map(|folder| path_of(folder, &tenant));
    let written_here = live.tenants.get(&tenant).is_some_and(|one| one.file.is_none());
    if written_here {
        let message = format!("the tenant {tenant} is written in the main file: it is reloaded with all of it");
        return Err(Problem::Conflict(message));
    }
    let known = live.tenants.contains_key(&tenant) || file.is_some_and(|file| file.exists());
    if !known && !matches!(written, Written::Text(_)) {
        return Err(Problem::NoSuch("tenant", tenant.to_string()));
    }
    drop(live);
    // It is not given up in the middle, whoever goes away: what is written runs.
    let work = tokio::spawn(async move { control.reload_tenant(&tenant, written, dry_run).await });
    let report = work.await.map_err(|_| Problem::Internal)??;
    answer(call, report)
}

fn answer(call: &mut Call, report: Report) -> Result<Reply, Problem> {
    call.detail(if report.dry_run { "tried".to_owned() } else { format!("generation {}", report.generation) });
    json(&Reloaded::from(report))
}

// === impl Reloaded ===

impl From<Report> for Reloaded {
    fn from(report: Report) -> Self {
        let Report { dry_run, generation, listeners, tenants, routes, plugins, settings, closes } = report;
        let changed = |entries: Vec<Entry>| entries.into_iter().map(Changed::from).collect();
        Self {
            dry_run,
            generation,
            listeners: changed(listeners),
            tenants: changed(tenants),
            routes: changed(routes),
            plugins: changed(plugins),
            settings,
            closes: closes.into_iter().map(|(code, connections)| (code.to_string(), connections)).collect(),
        }
    }
}

impl From<Entry> for Changed {
    fn from(entry: Entry) -> Self {
        let Entry { name, change, keys, closes, version } = entry;
        let change = match change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        };
        Self { name, change, keys, closes, version: version.map(Version::from) }
    }
}
