//! The page of `socklet dev`: a folder that is there as long as it is served.

use crate::{App, cli::address::reachable};
use serde::Serialize;
use socklet_author::Project;
use socklet_server::Bind;
use std::{fs, io, path::Path};
use tempfile::TempDir;

/// Where it is served, beside the routes of the project.
pub(super) const PATH: &str = "/_dev/";

const FILES: [(&str, &str); 3] = [
    ("index.html", include_str!("../../../dev/index.html")),
    ("page.css", include_str!("../../../dev/page.css")),
    ("page.js", include_str!("../../../dev/page.js")),
];

/// The page's files.
#[derive(Debug)]
pub(super) struct Page(TempDir);

/// What the page wants to know.
#[derive(Serialize)]
struct Served<'a> {
    plugin: &'a str,
    paths: Vec<String>,
}

// === impl Page ===

impl Page {
    pub(super) fn write() -> io::Result<Self> {
        let folder = TempDir::with_prefix("socklet-dev-")?;
        for (name, text) in FILES {
            fs::write(folder.path().join(name), text)?;
        }
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Tells the page what is served.
    pub(super) fn say(&self, project: &Project, app: &App) -> io::Result<()> {
        let paths = app.routes().filter(|route| route.behavior.is_some()).map(|route| example(&route.shown_path));
        let served = Served { plugin: &project.name, paths: paths.collect() };
        fs::write(self.folder().join("served.json"), serde_json::to_vec(&served)?)
    }
}

/// Where browsers of this machine find the page, if they do.
pub(super) fn url(app: &App) -> Option<String> {
    app.listeners().into_iter().find_map(|(name, bind)| match bind {
        Bind::Tcp(address) => {
            let scheme = if app.is_secure(&name) { "https" } else { "http" };
            Some(format!("{scheme}://{}{PATH}", reachable(address)))
        }
        Bind::Unix(_) | Bind::Systemd(_) => None,
    })
}

/// A path that a route serves: each capture is called as it is.
fn example(path: &str) -> String {
    if path.starts_with('/') { path.replace(['{', '}', '*'], "") } else { "/".to_owned() }
}
