//! Configurations of Socklet for what is measured.

use crate::load::Kind;
use anyhow::ensure;
use std::path::{Path, PathBuf};

/// What a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One instance for all connections.
    Shared,
    /// An instance for each connection.
    Connection,
    /// One instance for all, and a fresh instance of an authenticator for each request.
    Authenticated,
}

/// The names of the Socklets, as [`Wanted::named`] knows them.
pub(crate) const NAMES: &[&str] = &["socklet-shared", "socklet-connection", "socklet-auth"];

const STOCK: &str = "plugins/target/wasm32-wasip2/release";
const GUEST: &str = "tests/bench/target/wasm32-wasip2/guest";

// === impl Wanted ===

impl Wanted {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "socklet-shared" => Some(Self::Shared),
            "socklet-connection" => Some(Self::Connection),
            "socklet-auth" => Some(Self::Authenticated),
            _ => None,
        }
    }
}

/// The top of the clone.
pub(crate) fn root() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.ancestors().nth(3).unwrap_or(bench)
}

/// A configuration whose one route is `/`. Limits are raised where a load would meet them, and heartbeats stay out of the way.
pub(crate) fn text(wanted: Wanted, kind: Kind) -> anyhow::Result<String> {
    let behavior = match kind {
        Kind::Fanout => component(GUEST, "broadcast.wasm", "make bench")?,
        _ => component(STOCK, "echo.wasm", "make plugins")?,
    };
    let instance = if wanted == Wanted::Connection { "connection" } else { "shared" };
    let mut text = format!(
        "[[listener]]\nbind = '127.0.0.1:0'\n\
         [limits]\nmax_connections = 19000\nmax_message_size = '64KiB'\nsend_queue_max_bytes = '8MiB'\n\
         [heartbeat]\ninterval = '1d'\n\
         [log]\nlevel = 'error'\n\
         [engine]\ncache_dir = '{}'\nmax_instances = {}\n\
         [plugin.behavior]\nsource = 'file:{}'\n\
         [[route]]\npath = '/'\nbehavior = 'behavior'\ninstance = '{instance}'\n",
        root().join("tests/bench/target/compiled").display(),
        if wanted == Wanted::Connection { 19_000 } else { 1_000 },
        behavior.display(),
    );
    if wanted == Wanted::Authenticated {
        let authenticator = component(STOCK, "ip_auth.wasm", "make plugins")?;
        text.push_str("authenticators = ['addresses']\n");
        text.push_str(&format!("[plugin.addresses]\nsource = 'file:{}'\n", authenticator.display()));
        text.push_str("[plugin.addresses.settings]\nnetworks = { '127.0.0.0/8' = 'local' }\n");
    }
    Ok(text)
}

fn component(folder: &str, file: &str, command: &str) -> anyhow::Result<PathBuf> {
    let path = root().join(folder).join(file);
    ensure!(path.is_file(), "{} is not there: `{command}` builds it", path.display());
    Ok(path)
}
