//! Says where a server can be found.

use super::address;
use crate::{App, config::RoutePlan};
use socklet_server::Bind;
use std::fmt::Write;

/// The most routes that are listed.
const SHOWN: usize = 20;

/// The URLs of everything that is served, one a line.
pub(super) fn addresses(app: &App) -> String {
    let mut out = format!("socklet {} serves", env!("CARGO_PKG_VERSION"));
    for (name, bind) in app.listeners() {
        let routes: Vec<_> = app.routes().filter(|route| route.is_on(&name)).collect();
        let secure = app.is_secure(&name);
        let _ = write!(out, "\n  listener {name}: {bind}");
        for route in routes.iter().take(SHOWN) {
            if route.config.files.is_some() {
                let url = url(if secure { "https" } else { "http" }, &bind, route);
                // A folder's address ends where the names of its files begin.
                let folder = url.split("{*").next().unwrap_or(&url);
                let _ = write!(out, "\n    {folder:<52} files");
            }
            if let Some(behavior) = &route.behavior {
                let _ = write!(out, "\n    {:<52} {behavior}", url(if secure { "wss" } else { "ws" }, &bind, route));
            }
        }
        if routes.len() > SHOWN {
            let _ = write!(out, "\n    and {} more routes", routes.len() - SHOWN);
        }
        if routes.is_empty() {
            out.push_str("\n    no route: every request is answered with 404");
        }
    }
    if let Some(admin) = app.admin() {
        let _ = write!(out, "\n  admin: {}", address::Address::of(admin, app.is_admin_secure()));
    }
    if let Some(ops) = app.ops_addr() {
        let _ = write!(out, "\n  operators: http://{ops}/healthz /readyz /metrics");
    }
    out
}

fn url(scheme: &str, bind: &Bind, route: &RoutePlan) -> String {
    let authority = match (route.config.hosts.first(), bind) {
        (Some(host), Bind::Tcp(address)) => format!("{host}:{}", address.port()),
        (None, Bind::Tcp(address)) => address::reachable(*address).to_string(),
        (_, Bind::Systemd(_)) => return format!("{scheme}+{bind}:{}", route.shown_path),
        (_, Bind::Unix(path)) => return format!("{scheme}+unix:{}:{}", path.display(), route.shown_path),
    };
    format!("{scheme}://{authority}{}", route.shown_path)
}
