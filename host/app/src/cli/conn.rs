//! `socklet conn`: shows the connections of a running server.

use super::{exit::Failure, out, target::Target};
use anyhow::Context;
use clap::Subcommand;
use serde::Deserialize;
use std::fmt::Write;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows the instance that serves a connection, and why it is awake.
    Show {
        /// The connection's id, as the log and plugins have it.
        id: u64,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What the server says of a connection.
#[derive(Debug, Deserialize)]
struct Connection {
    id: u64,
    instance: Instance,
}

#[derive(Debug, Deserialize)]
struct Instance {
    tenant: String,
    route: String,
    plugin: String,
    version: u32,
    state: String,
    awake: Option<String>,
}

/// Shows.
pub(super) async fn conn(command: Command) -> Result<(), Failure> {
    let Command::Show { id, target, json } = command;
    let found = target.client()?.get(&format!("/v1/connections/{id}")).await?;
    if json {
        out::print_json(&found);
    } else {
        let connection: Connection =
            serde_json::from_value(found).context("failed to understand the server's answer")?;
        out::print(connection.lines().trim_end());
    }
    Ok(())
}

// === impl Connection ===

impl Connection {
    fn lines(&self) -> String {
        let Instance { tenant, route, plugin, version, state, awake } = &self.instance;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<10}{value}");
        };
        line("id", &self.id.to_string());
        line("route", &format!("{tenant}/{route}"));
        line("plugin", &format!("{plugin}, version {version}"));
        line("instance", state);
        if let Some(why) = awake {
            line("awake", why);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_connection_is_a_few_lines() {
        let instance = json!({
            "tenant": "acme", "route": "chat", "plugin": "chat", "version": 2, "state": "live",
            "awake": "it is being called"
        });
        let connection: Connection = serde_json::from_value(json!({ "id": 7, "instance": instance })).unwrap();
        assert_eq!(
            connection.lines(),
            "id        7\nroute     acme/chat\nplugin    chat, version 2\ninstance  live\nawake     it is being called\n"
        );
    }
}
