//! `socklet status`: how a running server is.

use super::{client::understand, exit::Failure, out, table::lines, target::Target};
use clap::Args;
use serde::Deserialize;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the server says of itself.
#[derive(Debug, Deserialize)]
struct Status {
    version: String,
    started_at: String,
    uptime_seconds: u64,
    draining: bool,
    connections: u64,
    tenants: u64,
    routes: u64,
    plugins: u64,
}

/// Shows it.
pub(super) async fn status(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { target, json } = arguments;
    let found = target.client()?.get("/v1/status").await?;
    if json {
        out::print_json(&found);
        return Ok(());
    }
    let status: Status = understand(found)?;
    out::print(&lines(&[
        ("version", status.version),
        ("started", status.started_at),
        ("uptime", uptime(status.uptime_seconds)),
        ("draining", if status.draining { "yes" } else { "no" }.to_owned()),
        ("connections", status.connections.to_string()),
        ("tenants", status.tenants.to_string()),
        ("routes", status.routes.to_string()),
        ("plugins", status.plugins.to_string()),
    ]));
    Ok(())
}

/// The two largest units of a time.
fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m 1s"), (7_260, "2h 1m"), (90_000, "1d 1h")] {
            assert_eq!(uptime(seconds), text);
        }
    }
}
