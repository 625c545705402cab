//! `socklet drain`: empties a running server, or a part of it, and tells how it goes on.

use super::{
    client::{Client, Content, understand},
    exit::Failure,
    out,
    table::Table,
    target::Target,
};
use anyhow::anyhow;
use clap::{ArgGroup, Args};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use socklet_core::{ListenerName, PluginId, RouteName, TenantName};
use std::{io::IsTerminal, str::FromStr, time::Duration};

/// Empties a running server, or a part of it: nobody new is let in, and whoever is there is closed at a pace. It goes on until `--resume`,
/// also when nobody is left. What is left out of the pace is as the configuration has it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("scope").args(["listener", "tenant", "route", "plugin"])))]
pub(super) struct Arguments {
    /// Those who came in through this listener.
    #[arg(long)]
    listener: Option<ListenerName>,
    /// Those of all routes of this tenant.
    #[arg(long)]
    tenant: Option<TenantName>,
    /// Those of this route, as `TENANT/ROUTE`.
    #[arg(long)]
    route: Option<RouteOf>,
    /// Those whose instance is of a version of this plugin that is not the current one.
    #[arg(long, requires = "plugin_version")]
    plugin: Option<PluginId>,
    /// That version.
    #[arg(long, requires = "plugin", value_name = "NUMBER")]
    plugin_version: Option<u32>,
    /// How long it waits before it closes anybody, so that load balancers look elsewhere: `5s`.
    #[arg(long)]
    delay: Option<String>,
    /// What is left then is cut off: `30s`.
    #[arg(long)]
    timeout: Option<String>,
    /// Connections that are closed at a time.
    #[arg(long)]
    batch: Option<usize>,
    /// The pause between two batches: `100ms`.
    #[arg(long)]
    interval: Option<String>,
    /// By how much that pause may differ, in all: `50ms`.
    #[arg(long)]
    jitter: Option<String>,
    /// What connections are closed with: 1001, 1012, 1013, or 3000 to 4999.
    #[arg(long, value_name = "CODE")]
    close_code: Option<u16>,
    /// And why.
    #[arg(long)]
    reason: Option<String>,
    /// Ends the server after that, or stops the listener.
    #[arg(long)]
    stop: bool,
    /// Does not wait for its end.
    #[arg(long)]
    no_wait: bool,
    /// Takes the drain of it back: whoever is left stays, and whoever comes is let in again.
    #[arg(long, conflicts_with_all = ["stop", "no_wait", "ls"])]
    resume: bool,
    /// Lists the drains that go on, and the last ones that are over.
    #[arg(long, conflicts_with_all = ["scope", "stop", "no_wait"])]
    ls: bool,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A route of a tenant.
#[derive(Clone, Debug)]
struct RouteOf(TenantName, RouteName);

/// What the server says of a drain.
#[derive(Debug, Deserialize)]
struct Drain {
    id: u64,
    scope: String,
    state: String,
    total: u64,
    closed: u64,
    left: u64,
    forced: u64,
}

#[derive(Debug, Deserialize)]
struct List {
    drains: Vec<Drain>,
}

/// How often the server is asked how it goes on.
const LOOK: Duration = Duration::from_millis(200);
/// How wide the bar is.
const WIDTH: u64 = 30;

/// Drains, lists, or takes back.
pub(super) async fn drain(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.target.clone().client()?;
    if arguments.ls {
        let list = client.get("/v1/drains").await?;
        if arguments.json {
            out::print_json(&list);
        } else {
            out::print(&table(understand::<List>(list)?.drains));
        }
        return Ok(());
    }
    if arguments.resume {
        return arguments.take_back(&client).await;
    }
    let begun = client.post("/v1/drain", Content::json(&arguments.wanted())).await?.done()?;
    let ended = if arguments.no_wait { begun } else { wait(&client, begun).await? };
    arguments.tell(ended)
}

/// Waits until nobody is left. Progress is for people: on a terminal.
async fn wait(client: &Client, begun: Json) -> Result<Json, Failure> {
    let (mut last, shows) = (begun, std::io::stderr().is_terminal());
    loop {
        let drain: Drain = understand(last.clone())?;
        if shows {
            out::progress(&drain.bar());
        }
        if !["announced", "closing"].contains(&drain.state.as_str()) {
            if shows {
                out::progress("");
            }
            return Ok(last);
        }
        tokio::time::sleep(LOOK).await;
        last = match client.get(&format!("/v1/drains/{}", drain.id)).await {
            Ok(drain) => drain,
            // One that ends with the process is over when there is nobody to ask.
            Err(_) if last["stop"] == true && last["listener"].is_null() => {
                last["state"] = "stopped".into();
                return Ok(last);
            }
            Err(error) => return Err(error),
        };
    }
}

// === impl Arguments ===

impl Arguments {
    fn wanted(&self) -> Json {
        let mut wanted = self.scope();
        let texts = [
            ("delay", &self.delay),
            ("timeout", &self.timeout),
            ("interval", &self.interval),
            ("jitter", &self.jitter),
        ];
        for (name, value) in texts.into_iter().chain([("reason", &self.reason)]) {
            wanted.extend(value.iter().map(|value| (name.to_owned(), value.as_str().into())));
        }
        wanted.extend(self.batch.map(|batch| ("batch".to_owned(), batch.into())));
        wanted.extend(self.close_code.map(|code| ("close_code".to_owned(), code.into())));
        wanted.extend(self.stop.then(|| ("stop".to_owned(), true.into())));
        Json::Object(wanted)
    }

    /// What is meant, as the API has it.
    fn scope(&self) -> Map<String, Json> {
        let scope = match (&self.listener, &self.tenant, &self.route, &self.plugin) {
            (Some(listener), ..) => json!({ "listener": listener.as_str() }),
            (_, Some(tenant), ..) => json!({ "tenant": tenant.as_str() }),
            (_, _, Some(RouteOf(tenant, route)), _) => json!({ "tenant": tenant.as_str(), "route": route.as_str() }),
            (_, _, _, Some(plugin)) => json!({ "plugin": plugin.to_string(), "version": self.plugin_version }),
            (None, None, None, None) => json!({}),
        };
        scope.as_object().cloned().unwrap_or_default()
    }

    /// Takes the drain back that goes on there.
    async fn take_back(&self, client: &Client) -> Result<(), Failure> {
        let list = client.get("/v1/drains").await?;
        let scope = self.scope();
        let is_it = |drain: &&Json| {
            let same = |key: &str| drain[key] == scope.get(key).cloned().unwrap_or_default();
            let keys = ["listener", "tenant", "route", "plugin", "version"];
            drain["state"] != "resumed" && keys.into_iter().all(same)
        };
        let found = list["drains"].as_array().into_iter().flatten().find(is_it);
        let found =
            found.ok_or_else(|| anyhow!("nothing of that is being drained; socklet drain --ls lists what is"))?;
        self.tell(client.delete(&format!("/v1/drains/{}", found["id"])).await?.done()?)
    }

    fn tell(&self, drain: Json) -> Result<(), Failure> {
        if self.json {
            out::print_json(&drain);
        } else {
            out::print(&understand::<Drain>(drain)?.line());
        }
        Ok(())
    }
}

impl FromStr for RouteOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tenant, route) = text.split_once('/').ok_or("expected TENANT/ROUTE")?;
        let wrong = |error: socklet_core::InvalidName| error.to_string();
        Ok(Self(tenant.parse().map_err(wrong)?, route.parse().map_err(wrong)?))
    }
}

// === impl Drain ===

impl Drain {
    fn line(&self) -> String {
        let Self { scope, state, total, closed, left, forced, .. } = self;
        let cut = if *forced > 0 { format!(", {forced} cut off") } else { String::new() };
        format!("{scope}: {state}, {closed} of {total} closed, {left} left{cut}")
    }

    fn bar(&self) -> String {
        let gone = self.total.saturating_sub(self.left);
        let filled = (gone * WIDTH).checked_div(self.total).unwrap_or(WIDTH);
        let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
        format!("{} [{bar}] {gone} of {} gone", self.scope, self.total)
    }
}

fn table(drains: Vec<Drain>) -> String {
    let mut table = Table::new(["DRAIN", "SCOPE", "STATE", "TOTAL", "CLOSED", "LEFT", "CUT OFF"]);
    for Drain { id, scope, state, total, closed, left, forced } in drains {
        let [id, total, closed, left, forced] = [id, total, closed, left, forced].map(|number| number.to_string());
        table.push([id, scope, state, total, closed, left, forced]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_a_line_a_bar_and_a_row() {
        let drain = |left: u64, forced: u64| json!({ "id": 3, "scope": "tenant acme", "state": "closing", "total": 10, "closed": 6, "left": left, "forced": forced });
        let told = |left, forced| understand::<Drain>(drain(left, forced)).unwrap();
        assert_eq!(told(4, 0).line(), "tenant acme: closing, 6 of 10 closed, 4 left");
        assert_eq!(told(0, 2).line(), "tenant acme: closing, 6 of 10 closed, 0 left, 2 cut off");
        assert_eq!(told(5, 0).bar(), "tenant acme [###############...............] 5 of 10 gone");
        assert_eq!(
            table(vec![told(4, 0)]),
            "DRAIN  SCOPE        STATE    TOTAL  CLOSED  LEFT  CUT OFF\n3      tenant acme  closing  10     6       4     0"
        );
    }
}
