//! `socklet listener`: shows, stops and starts the listeners of a running server.

use super::{
    client::{Content, understand},
    exit::Failure,
    out,
    table::Table,
    target::Target,
};
use clap::Subcommand;
use serde::Deserialize;
use socklet_core::ListenerName;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the listeners.
    Ls {
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stops one: its address is free at once, and its connections are closed with 1001. It stays stopped until it is started.
    Stop(Arguments),
    /// Starts one that was stopped.
    Start(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The listener.
    name: ListenerName,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the server says of its listeners.
#[derive(Debug, Deserialize)]
struct List {
    listeners: Vec<Listener>,
}

#[derive(Debug, Deserialize)]
struct Listener {
    name: String,
    bind: String,
    tls: bool,
    state: String,
    connections: usize,
}

/// What the server says of a change.
#[derive(Debug, Deserialize)]
struct Change {
    changed: bool,
    closes: usize,
    listener: Listener,
}

/// Shows, stops or starts.
pub(super) async fn listener(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls { target, json } => {
            let list = target.client()?.get("/v1/listeners").await?;
            if json {
                out::print_json(&list)
            } else {
                out::print(&table(understand::<List>(list)?.listeners))
            }
            Ok(())
        }
        Command::Stop(arguments) => change(arguments, "stop").await,
        Command::Start(arguments) => change(arguments, "start").await,
    }
}

async fn change(Arguments { name, target, json }: Arguments, what: &str) -> Result<(), Failure> {
    let answer = target.client()?.post(&format!("/v1/listeners/{name}/{what}"), Content::none()).await?;
    let change = answer.done()?;
    if json {
        out::print_json(&change)
    } else {
        out::print(&told(understand(change)?))
    }
    Ok(())
}

fn told(Change { changed, closes, listener }: Change) -> String {
    let Listener { name, bind, state, .. } = listener;
    let what = if changed { "" } else { "unchanged, " };
    let closing = if closes > 0 { format!(", {closes} connections are being closed with 1001") } else { String::new() };
    format!("{name}: {what}{state}, {bind}{closing}")
}

fn table(listeners: Vec<Listener>) -> String {
    let mut table = Table::new(["LISTENER", "STATE", "ADDRESS", "TLS", "CONNECTIONS"]);
    for Listener { name, bind, tls, state, connections } in listeners {
        table.push([name, state, bind, if tls { "yes" } else { "no" }.to_owned(), connections.to_string()]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn listeners_are_a_table_and_a_change_is_a_line() {
        let public =
            || json!({ "name": "public", "bind": "[::]:443", "tls": true, "state": "serving", "connections": 12 });
        let inner =
            || json!({ "name": "inner", "bind": "unix:/run/s", "tls": false, "state": "stopped", "connections": 0 });
        let list: List = understand(json!({ "listeners": [public(), inner()] })).unwrap();
        assert_eq!(
            table(list.listeners),
            "LISTENER  STATE    ADDRESS      TLS  CONNECTIONS\n\
             public    serving  [::]:443     yes  12\n\
             inner     stopped  unix:/run/s  no   0"
        );
        let change = |changed, closes, listener| {
            told(understand(json!({ "changed": changed, "closes": closes, "listener": listener })).unwrap())
        };
        assert_eq!(change(true, 3, inner()), "inner: stopped, unix:/run/s, 3 connections are being closed with 1001");
        assert_eq!(change(false, 0, public()), "public: unchanged, serving, [::]:443");
    }
}
