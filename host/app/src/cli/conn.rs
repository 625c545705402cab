//! `socklet conn`: the connections of a running server.

use super::{
    client::{Client, Pages, understand},
    exit::Failure,
    message::Message,
    out,
    table::{Table, bytes, lines},
    target::Target,
};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use socklet_core::{ListenerName, RouteName, TenantName};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists connections, by id.
    Ls(List),
    /// Shows a connection: who it belongs to, what went over it, the instance that serves it and why that is awake.
    Show {
        /// The connection's id, as the log and plugins have it.
        id: u64,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends a message to a connection.
    Send {
        /// The connection's id.
        id: u64,
        #[command(flatten)]
        message: Message,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Closes a connection.
    Close {
        /// The connection's id.
        id: u64,
        /// The close code: 1000, 1001, 1003, 1007 to 1014, 3000 to 4999.
        #[arg(long, default_value_t = 1001)]
        code: u16,
        /// The reason: at most 123 bytes.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Those of a tenant.
    #[arg(long)]
    tenant: Option<TenantName>,
    /// Those of routes of this name.
    #[arg(long)]
    route: Option<RouteName>,
    /// Those that came in through a listener.
    #[arg(long)]
    listener: Option<ListenerName>,
    /// Those that belong to a principal.
    #[arg(long, value_name = "SUBJECT")]
    principal: Option<String>,
    /// The most that are listed.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the server says of a connection.
#[derive(Debug, Deserialize)]
struct Connection {
    id: u64,
    tenant: String,
    route: String,
    listener: String,
    peer: Option<String>,
    principal: Option<String>,
    subprotocol: Option<String>,
    opened_at: String,
    state: String,
    messages_received: u64,
    bytes_received: u64,
    messages_sent: u64,
    bytes_sent: u64,
    queued_bytes: u64,
    instance: Option<Instance>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    plugin: String,
    version: u32,
    state: String,
    awake: Option<String>,
}

/// Lists, shows, sends or closes.
pub(super) async fn conn(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls(list) => ls(list).await,
        Command::Show { id, target, json } => {
            let found = target.client()?.get(&format!("/v1/connections/{id}")).await?;
            if json {
                out::print_json(&found);
            } else {
                out::print(&understand::<Connection>(found)?.lines());
            }
            Ok(())
        }
        Command::Send { id, message, target, json } => {
            let path = format!("/v1/connections/{id}/messages");
            let sent = target.client()?.post(&path, message.read()?).await?.done()?;
            told(json, &sent, || format!("sent, {} queued", bytes(sent["queued_bytes"].as_u64().unwrap_or_default())));
            Ok(())
        }
        Command::Close { id, code, reason, target, json } => {
            let code = code.to_string();
            let path = Client::path(&["v1", "connections", &id.to_string()], &[("code", &code), ("reason", &reason)]);
            let closed = target.client()?.delete(&path).await?.done()?;
            let text = if closed["changed"] == true { "closing" } else { "was being closed already" };
            told(json, &closed, || text.to_owned());
            Ok(())
        }
    }
}

async fn ls(list: List) -> Result<(), Failure> {
    let List { tenant, route, listener, principal, limit, target, json } = list;
    let query = [
        ("tenant", tenant.as_ref().map(TenantName::as_str)),
        ("route", route.as_ref().map(RouteName::as_str)),
        ("listener", listener.as_ref().map(ListenerName::as_str)),
        ("principal", principal.as_deref()),
    ];
    let pages = target.client()?.pages("connections", &query, limit).await?;
    if json {
        out::print_json(&json!({ "connections": pages.entries }));
        return Ok(());
    }
    let Pages { entries, more } = pages;
    let mut table =
        Table::new(["ID", "ROUTE", "PEER", "PRINCIPAL", "OPENED", "STATE", "IN", "OUT", "QUEUED", "INSTANCE"]);
    for entry in entries {
        let connection: Connection = understand(entry)?;
        table.push(connection.cells());
    }
    out::print(&table.to_string());
    if more {
        out::complain(&format!("and more: only {limit} are listed, see --limit"));
    }
    Ok(())
}

/// Says what came of something.
pub(super) fn told(as_json: bool, data: &Json, text: impl FnOnce() -> String) {
    if as_json {
        out::print_json(data);
    } else {
        out::print(&text());
    }
}

// === impl Connection ===

impl Connection {
    fn cells(self) -> [String; 10] {
        [
            self.id.to_string(),
            format!("{}/{}", self.tenant, self.route),
            self.peer.unwrap_or_default(),
            self.principal.unwrap_or_default(),
            self.opened_at,
            self.state,
            self.messages_received.to_string(),
            self.messages_sent.to_string(),
            bytes(self.queued_bytes),
            self.instance.map(|instance| instance.state).unwrap_or_default(),
        ]
    }

    fn lines(self) -> String {
        let messages = |messages, size| format!("{messages} messages, {}", bytes(size));
        let mut pairs = vec![
            ("id", self.id.to_string()),
            ("route", format!("{}/{}", self.tenant, self.route)),
            ("listener", self.listener),
            ("peer", self.peer.unwrap_or_else(|| "-".to_owned())),
            ("principal", self.principal.unwrap_or_else(|| "-".to_owned())),
            ("subprotocol", self.subprotocol.unwrap_or_else(|| "-".to_owned())),
            ("opened", self.opened_at),
            ("state", self.state),
            ("received", messages(self.messages_received, self.bytes_received)),
            ("sent", messages(self.messages_sent, self.bytes_sent)),
            ("queued", bytes(self.queued_bytes)),
        ];
        if let Some(Instance { plugin, version, state, awake }) = self.instance {
            pairs.push(("plugin", format!("{plugin}, version {version}")));
            pairs.push(("instance", state));
            pairs.extend(awake.map(|why| ("awake", why)));
        }
        lines(&pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_a_few_lines() {
        let connection: Connection = serde_json::from_value(json!({
            "id": 7, "tenant": "acme", "route": "chat", "listener": "default", "peer": "127.0.0.1:4711", "principal": "ada",
            "subprotocol": null, "opened_at": "2026-01-31T12:00:00.123Z", "state": "open", "messages_received": 2,
            "bytes_received": 2048, "messages_sent": 3, "bytes_sent": 12, "queued_bytes": 0,
            "instance": { "plugin": "chat", "version": 2, "state": "live", "awake": "it is being called" },
        }))
        .unwrap();
        assert_eq!(
            connection.lines(),
            "id           7\n\
             route        acme/chat\n\
             listener     default\n\
             peer         127.0.0.1:4711\n\
             principal    ada\n\
             subprotocol  -\n\
             opened       2026-01-31T12:00:00.123Z\n\
             state        open\n\
             received     2 messages, 2.0KiB\n\
             sent         3 messages, 12B\n\
             queued       0B\n\
             plugin       chat, version 2\n\
             instance     live\n\
             awake        it is being called"
        );
    }
}
