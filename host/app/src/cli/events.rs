//! `socklet events`: what happens in a running server, line by line.

use super::{client::Client, exit::Failure, out, table::printable, target::Target};
use clap::Args;
use serde_json::{Map, Value as Json};
use socklet_core::TenantName;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Kinds, or what they begin with, separated by commas: `plugin,drain.progress`.
    #[arg(long)]
    kinds: Option<String>,
    /// What concerns a tenant.
    #[arg(long)]
    tenant: Option<TenantName>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    #[command(flatten)]
    target: Target,
    /// Print a JSON object for each event.
    #[arg(long)]
    json: bool,
}

/// Prints events until the server ends them, or there were as many as asked for.
pub(super) async fn events(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { kinds, tenant, count, target, json } = arguments;
    let query = [("kinds", kinds.as_deref()), ("tenant", tenant.as_ref().map(TenantName::as_str))];
    let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut events = target.client()?.events(&Client::path(&["v1", "events"], &query)).await?;
    let mut left = count.unwrap_or(usize::MAX);
    while left > 0
        && let Some(event) = events.next().await?
    {
        left -= 1;
        if json {
            out::print(&event.to_string());
        } else {
            out::print(&line(event));
        }
    }
    Ok(())
}

/// An event in a line: when, what, and the rest of it.
fn line(event: Json) -> String {
    let Json::Object(mut event) = event else { return printable(&event.to_string()) };
    let take = |event: &mut Map<String, Json>, name: &str| match event.remove(name) {
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (at, kind) = (take(&mut event, "at"), take(&mut event, "kind"));
    event.remove("number");
    let rest = event.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Json::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    let rest = rest.collect::<Vec<_>>().join(" ");
    printable(format!("{at:<24}  {kind:<18}  {rest}").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({
            "number": 3, "at": "2026-01-31T12:00:00.123Z", "kind": "plugin.swapped", "plugin": "chat", "version": 2, "peer": null,
        });
        assert_eq!(line(event), "2026-01-31T12:00:00.123Z  plugin.swapped      plugin=chat version=2");
    }
}
