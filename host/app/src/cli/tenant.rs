//! `socklet tenant`: the tenants of a running server.

use super::{
    client::{Client, Content, understand},
    exit::Failure,
    out, reload,
    table::{Table, bytes, lines},
    target::Target,
};
use anyhow::Context;
use clap::Subcommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use socklet_core::TenantName;
use std::{fs, path::PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists tenants with what they have.
    Ls {
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Has the server read the file of one tenant again. Where there is none any more, the tenant is removed.
    Reload {
        /// The tenant.
        name: TenantName,
        #[command(flatten)]
        arguments: reload::Arguments,
    },
    /// Writes the file of a tenant, and has the tenant be what it says: all of it, or nothing.
    Put {
        /// The tenant.
        name: TenantName,
        /// What is to be its file.
        file: PathBuf,
        #[command(flatten)]
        arguments: reload::Arguments,
    },
    /// Removes the file of a tenant, and the tenant with it; its connections are closed with 1001.
    Rm {
        /// The tenant.
        name: TenantName,
        #[command(flatten)]
        arguments: reload::Arguments,
    },
    /// Shows what a tenant has, and what it may have.
    Show {
        /// The tenant.
        name: TenantName,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What the server says of a tenant.
#[derive(Debug, Deserialize)]
struct Tenant {
    name: String,
    file: Option<String>,
    routes: u64,
    plugins: u64,
    used: Used,
    quotas: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
struct Used {
    connections: u64,
    topics: u64,
    instances: u64,
    memory_bytes: u64,
    timers: u64,
    saved_state_bytes: u64,
}

/// Lists or shows.
pub(super) async fn tenant(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls { target, json } => {
            let pages = target.client()?.pages("tenants", &[], usize::MAX).await?;
            if json {
                out::print_json(&json!({ "tenants": pages.entries }));
                return Ok(());
            }
            let mut table =
                Table::new(["TENANT", "ROUTES", "PLUGINS", "CONNECTIONS", "INSTANCES", "MEMORY", "SAVED", "FILE"]);
            for entry in pages.entries {
                table.push(understand::<Tenant>(entry)?.cells());
            }
            out::print(&table.to_string());
            Ok(())
        }
        Command::Reload { name, arguments } => {
            let path = Client::path(&["v1", "tenants", name.as_str(), "reload"], &[]);
            arguments.request(Method::POST, &path, Content::none()).await
        }
        Command::Put { name, file, arguments } => {
            let text = fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
            arguments.request(Method::PUT, &path(&name), Content::toml(text)).await
        }
        Command::Rm { name, arguments } => arguments.request(Method::DELETE, &path(&name), Content::none()).await,
        Command::Show { name, target, json } => {
            let found = target.client()?.get(&Client::path(&["v1", "tenants", name.as_str()], &[])).await?;
            if json {
                out::print_json(&found);
            } else {
                out::print(&understand::<Tenant>(found)?.lines());
            }
            Ok(())
        }
    }
}

/// Where the admin API has it.
fn path(name: &TenantName) -> String {
    Client::path(&["v1", "tenants", name.as_str()], &[])
}

// === impl Tenant ===

impl Tenant {
    fn cells(self) -> [String; 8] {
        let Used { connections, instances, memory_bytes, saved_state_bytes, .. } = self.used;
        [
            self.name,
            self.routes.to_string(),
            self.plugins.to_string(),
            connections.to_string(),
            instances.to_string(),
            bytes(memory_bytes),
            bytes(saved_state_bytes),
            self.file.unwrap_or_default(),
        ]
    }

    fn lines(self) -> String {
        let Self { name, file, routes, plugins, used, quotas } = self;
        let Used { connections, topics, instances, memory_bytes, timers, saved_state_bytes } = used;
        let mut pairs = vec![
            ("tenant", name),
            ("file", file.unwrap_or_else(|| "that of the server".to_owned())),
            ("routes", routes.to_string()),
            ("plugins", plugins.to_string()),
            ("connections", connections.to_string()),
            ("topics", topics.to_string()),
            ("instances", instances.to_string()),
            ("memory", bytes(memory_bytes)),
            ("timers", timers.to_string()),
            ("saved state", bytes(saved_state_bytes)),
        ];
        let quota = |limit: &Json| match limit {
            Json::Null => "none".to_owned(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        pairs.extend(quotas.iter().map(|(name, limit)| (name.as_str(), quota(limit))));
        lines(&pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_few_lines() {
        let tenant: Tenant = serde_json::from_value(json!({
            "name": "acme", "file": "tenants.d/acme.toml", "routes": 2, "plugins": 1,
            "used": { "connections": 3, "topics": 0, "instances": 2, "memory_bytes": 1_048_576, "timers": 1, "saved_state_bytes": 12 },
            "quotas": { "max_connections": 10, "messages_per_second": "5/s", "cpu": null },
        }))
        .unwrap();
        assert_eq!(
            tenant.lines(),
            "tenant               acme\n\
             file                 tenants.d/acme.toml\n\
             routes               2\n\
             plugins              1\n\
             connections          3\n\
             topics               0\n\
             instances            2\n\
             memory               1.0MiB\n\
             timers               1\n\
             saved state          12B\n\
             cpu                  none\n\
             max_connections      10\n\
             messages_per_second  5/s"
        );
    }
}
