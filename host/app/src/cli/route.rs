//! `socklet route`: the routes of a running server.

use super::{
    client::{Client, Content, understand},
    conn::told,
    exit::Failure,
    message::Message,
    out,
    table::{Table, lines},
    target::Target,
};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use socklet_core::TenantName;
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists routes, by tenant and name.
    Ls {
        /// Those of a tenant.
        #[arg(long)]
        tenant: Option<TenantName>,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows a route: where it is, who serves it, its heartbeat and limits.
    Show {
        /// The route, as `TENANT/ROUTE`.
        route: Name,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends a message to every connection of a route.
    Send {
        /// The route, as `TENANT/ROUTE`.
        route: Name,
        #[command(flatten)]
        message: Message,
        /// To the subscribers of a topic alone.
        #[arg(long)]
        topic: Option<String>,
        /// A connection that is left out.
        #[arg(long, value_name = "ID")]
        but: Option<u64>,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Changes a route while it is served, until the next restart.
    Set {
        /// The route, as `TENANT/ROUTE`.
        route: Name,
        #[command(flatten)]
        changes: Changes,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// How long a connection is idle before a ping, such as `20s`.
    #[arg(long, value_name = "DURATION")]
    heartbeat: Option<String>,
    /// What the ping carries.
    #[arg(long, value_name = "TEXT")]
    heartbeat_message: Option<String>,
    /// A limit by its key in the configuration, such as `max_message_size=1KiB`; several times for several.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    limit: Vec<(String, String)>,
}

/// A tenant and a route.
#[derive(Clone, Debug)]
pub(super) struct Name {
    tenant: String,
    route: String,
}

/// What the server says of a route.
#[derive(Debug, Deserialize)]
struct Route {
    tenant: String,
    name: String,
    listeners: Vec<String>,
    hosts: Vec<String>,
    path: String,
    authenticators: Vec<String>,
    behavior: Option<String>,
    files: bool,
    connections: u64,
    heartbeat: Heartbeat,
    limits: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
struct Heartbeat {
    interval: String,
    message: String,
}

/// Lists, shows, sends or changes.
pub(super) async fn route(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls { tenant, target, json } => {
            let query = [("tenant", tenant.as_ref().map(TenantName::as_str))];
            let pages = target.client()?.pages("routes", &query, usize::MAX).await?;
            if json {
                out::print_json(&json!({ "routes": pages.entries }));
                return Ok(());
            }
            let mut table = Table::new(["ROUTE", "HOSTS", "PATH", "BEHAVIOR", "AUTHENTICATORS", "CONNECTIONS"]);
            for entry in pages.entries {
                table.push(understand::<Route>(entry)?.cells());
            }
            out::print(&table.to_string());
            Ok(())
        }
        Command::Show { route, target, json } => {
            let found = target.client()?.get(&route.path(&[], &[])).await?;
            shown(json, found)
        }
        Command::Send { route, message, topic, but, target, json } => {
            let more = match &topic {
                Some(topic) => vec!["topics", topic.as_str(), "messages"],
                None => vec!["messages"],
            };
            let but = but.map(|id| id.to_string());
            let query: Vec<_> = but.iter().map(|id| ("but", id.as_str())).collect();
            let sent = target.client()?.post(&route.path(&more, &query), message.read()?).await?.done()?;
            told(json, &sent, || format!("queued for {} connections", sent["accepted"]));
            Ok(())
        }
        Command::Set { route, changes, target, json } => {
            let content = Content::json(&changes.patch());
            let changed = target.client()?.patch(&route.path(&[], &[]), content).await?.done()?;
            shown(json, changed)
        }
    }
}

fn shown(as_json: bool, found: Json) -> Result<(), Failure> {
    if as_json {
        out::print_json(&found);
    } else {
        out::print(&understand::<Route>(found)?.lines());
    }
    Ok(())
}

// === impl Changes ===

impl Changes {
    fn patch(self) -> Json {
        let Self { heartbeat, heartbeat_message, limit } = self;
        let mut patch = Map::new();
        patch.extend(heartbeat.map(|interval| ("interval".to_owned(), interval.into())));
        patch.extend(heartbeat_message.map(|message| ("message".to_owned(), message.into())));
        // Counts are numbers, everything else is a text.
        let value = |(key, text): (String, String)| {
            let counts = ["max_fragments", "max_inflated_ratio"].contains(&key.as_str());
            let value = text.parse::<u64>().ok().filter(|_| counts).map_or_else(|| text.into(), Json::from);
            (key, value)
        };
        let limits: Map<_, _> = limit.into_iter().map(value).collect();
        json!({ "heartbeat": patch, "limits": limits })
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as max_message_size=1KiB")?;
    Ok((key.to_owned(), value.to_owned()))
}

// === impl Name ===

impl Name {
    fn path(&self, more: &[&str], query: &[(&str, &str)]) -> String {
        let segments = [&["v1", "routes", self.tenant.as_str(), self.route.as_str()], more].concat();
        Client::path(&segments, query)
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (tenant, route) = text.split_once('/').ok_or_else(|| anyhow!("write TENANT/ROUTE"))?;
        Ok(Self {
            tenant: tenant.parse::<TenantName>()?.to_string(),
            route: route.parse::<socklet_core::RouteName>()?.to_string(),
        })
    }
}

// === impl Route ===

impl Route {
    fn cells(self) -> [String; 6] {
        [
            format!("{}/{}", self.tenant, self.name),
            self.hosts.join(","),
            self.path,
            self.behavior.unwrap_or_default(),
            self.authenticators.join(","),
            self.connections.to_string(),
        ]
    }

    fn lines(self) -> String {
        let or_all = |names: Vec<String>| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let Heartbeat { interval, message } = self.heartbeat;
        let mut pairs = vec![
            ("route", format!("{}/{}", self.tenant, self.name)),
            ("listeners", or_all(self.listeners)),
            ("hosts", or_all(self.hosts)),
            ("path", self.path),
            ("authenticators", or_dash(self.authenticators.join(", "))),
            ("behavior", or_dash(self.behavior.unwrap_or_default())),
            ("files", if self.files { "yes" } else { "no" }.to_owned()),
            ("connections", self.connections.to_string()),
            ("heartbeat", format!("{interval}, {message:?}")),
        ];
        let limits = self
            .limits
            .iter()
            .map(|(name, limit)| (name.as_str(), limit.as_str().map_or_else(|| limit.to_string(), str::to_owned)));
        pairs.extend(limits);
        lines(&pairs)
    }
}
