//! `socklet tenant`: shows the tenants of a running server, and reloads one that has a file of its own.

use super::{
    exit::Failure,
    out,
    plugin::{Plugin, parse, table as plugins},
    reload,
    target::Target,
};
use clap::Subcommand;
use serde::Deserialize;
use socklet_core::TenantName;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the tenants.
    Ls {
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows a tenant's quotas and what it has of them, its routes and its plugins.
    Show {
        /// The tenant.
        name: TenantName,
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
}

/// What the server says of its tenants.
#[derive(Debug, Deserialize)]
struct List {
    tenants: Vec<Tenant>,
}

#[derive(Debug, Deserialize)]
struct Tenant {
    name: String,
    file: Option<String>,
    routes: usize,
    plugins: usize,
    connections: usize,
}

/// And of one.
#[derive(Debug, Deserialize)]
struct Details {
    name: String,
    file: Option<String>,
    quotas: Vec<Quota>,
    routes: Vec<Route>,
    plugins: Vec<Plugin>,
}

#[derive(Debug, Deserialize)]
struct Quota {
    quota: String,
    max: Option<String>,
    used: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Route {
    name: String,
    path: String,
    hosts: Vec<String>,
    behavior: Option<String>,
    connections: usize,
}

/// Shows or reloads.
pub(super) async fn tenant(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls { target, json } => {
            let list = target.client()?.get("/v1/tenants").await?;
            if json { out::print_json(&list) } else { out::print(&table(parse::<List>(list)?.tenants)) }
        }
        Command::Show { name, target, json } => {
            let tenant = target.client()?.get(&format!("/v1/tenants/{name}")).await?;
            if json { out::print_json(&tenant) } else { out::print(&told(parse(tenant)?)) }
        }
        Command::Reload { name, arguments: reload::Arguments { target, dry_run, json } } => {
            reload::request(&target.client()?, &format!("/v1/tenants/{name}/reload"), dry_run, json).await?;
        }
    }
    Ok(())
}

fn table(tenants: Vec<Tenant>) -> String {
    let head = ["TENANT", "ROUTES", "PLUGINS", "CONNECTIONS", "FILE"].map(str::to_owned);
    let row = |Tenant { name, file, routes, plugins, connections }| {
        [name, routes.to_string(), plugins.to_string(), connections.to_string(), out::cell(file.as_deref())]
    };
    out::table(&[head].into_iter().chain(tenants.into_iter().map(row)).collect::<Vec<_>>())
}

fn told(Details { name, file, quotas, routes, plugins: own }: Details) -> String {
    let head = out::table(&[
        ["tenant".to_owned(), name],
        ["file".to_owned(), file.unwrap_or_else(|| "that of the server".to_owned())],
    ]);
    let quota =
        |Quota { quota, max, used }| [quota, max.unwrap_or_else(|| "none".to_owned()), out::cell(used.as_ref())];
    let names = ["QUOTA", "MAX", "USED"].map(str::to_owned);
    let quotas = out::table(&[names].into_iter().chain(quotas.into_iter().map(quota)).collect::<Vec<_>>());
    let route = |Route { name, path, hosts, behavior, connections }: Route| {
        let hosts = if hosts.is_empty() { "*".to_owned() } else { hosts.join(" ") };
        [name, hosts, path, out::cell(behavior.as_deref()), connections.to_string()]
    };
    let names = ["ROUTE", "HOST", "PATH", "BEHAVIOR", "CONNECTIONS"].map(str::to_owned);
    let routes = out::table(&[names].into_iter().chain(routes.into_iter().map(route)).collect::<Vec<_>>());
    let own = (!own.is_empty()).then(|| plugins(&own));
    [Some(head), Some(quotas), Some(routes), own].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tenant_is_a_few_tables() {
        let list: List = parse(json!({ "tenants": [
            { "name": "acme", "file": "tenants.d/acme.toml", "routes": 2, "plugins": 1, "connections": 7 },
            { "name": "default", "file": null, "routes": 1, "plugins": 0, "connections": 0 },
        ] }))
        .unwrap();
        assert_eq!(
            table(list.tenants),
            "TENANT   ROUTES  PLUGINS  CONNECTIONS  FILE\n\
             acme     2       1        7            tenants.d/acme.toml\n\
             default  1       0        0            -"
        );
        let details = parse(json!({
            "name": "acme", "file": "tenants.d/acme.toml",
            "quotas": [
                { "quota": "max_connections", "max": "10", "used": 7 },
                { "quota": "cpu", "max": null, "used": null },
            ],
            "routes": [{ "name": "chat", "path": "/chat", "hosts": ["a.example"], "behavior": "acme/chat", "connections": 7 }],
            "plugins": [{ "name": "acme/chat", "kind": null, "state": "deferred", "versions": [] }],
        }));
        assert_eq!(
            told(details.unwrap()),
            "tenant  acme\nfile    tenants.d/acme.toml\n\n\
             QUOTA            MAX   USED\nmax_connections  10    7\ncpu              none  -\n\n\
             ROUTE  HOST       PATH   BEHAVIOR   CONNECTIONS\nchat   a.example  /chat  acme/chat  7\n\n\
             PLUGIN     KIND  VERSION  ROLE      LIVE  HIBERNATED  DIGEST\nacme/chat  -     -        deferred  -     -           -"
        );
    }
}
