//! `socklet usage`: what the plugins of a running server have used.

use super::{
    client::understand,
    exit::Failure,
    out,
    table::{Table, bytes},
    target::Target,
};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use socklet_core::TenantName;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// That of a tenant.
    #[arg(long)]
    tenant: Option<TenantName>,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the server says of a version of a plugin on a route.
#[derive(Debug, Deserialize)]
struct Row {
    tenant: String,
    route: String,
    plugin: String,
    version: u32,
    cpu_seconds: f64,
    calls: u64,
    traps: u64,
    messages_received: u64,
    messages_sent: u64,
    connections: u64,
    memory_bytes: u64,
}

/// Shows it.
pub(super) async fn usage(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { tenant, target, json } = arguments;
    let query = [("tenant", tenant.as_ref().map(TenantName::as_str))];
    let pages = target.client()?.pages("usage", &query, usize::MAX).await?;
    if json {
        out::print_json(&json!({ "usage": pages.entries }));
        return Ok(());
    }
    let headings = ["ROUTE", "PLUGIN", "VERSION", "CPU", "CALLS", "TRAPS", "IN", "OUT", "CONNECTIONS", "MEMORY"];
    let mut table = Table::new(headings);
    for entry in pages.entries {
        let row: Row = understand(entry)?;
        table.push([
            format!("{}/{}", row.tenant, row.route),
            row.plugin,
            row.version.to_string(),
            format!("{:.3}s", row.cpu_seconds),
            row.calls.to_string(),
            row.traps.to_string(),
            row.messages_received.to_string(),
            row.messages_sent.to_string(),
            row.connections.to_string(),
            bytes(row.memory_bytes),
        ]);
    }
    out::print(&table.to_string());
    Ok(())
}
