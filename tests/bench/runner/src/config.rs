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
    /// A fresh instance for each event.
    Event,
    /// An instance for each connection, which is saved and dropped when it was idle for a second.
    Asleep,
}

/// How many instances may be awake at a time where they sleep when they are idle.
pub(crate) const AWAKE: u32 = 2_000;

/// The names of the Socklets, as [`Wanted::named`] knows them.
pub(crate) const NAMES: &[&str] =
    &["socklet-shared", "socklet-connection", "socklet-auth", "socklet-event", "socklet-asleep"];

const STOCK: &str = "plugins/target/wasm32-wasip2/release";
const GUESTS: &str = "tests/guests/target/wasm32-wasip2/release/examples";
const GUEST: &str = "tests/bench/target/wasm32-wasip2/guest";
const ADMIN: &str = "[admin]\nbind = 'unix:admin.sock'\n";

// === impl Wanted ===

impl Wanted {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "socklet-shared" => Some(Self::Shared),
            "socklet-connection" => Some(Self::Connection),
            "socklet-auth" => Some(Self::Authenticated),
            "socklet-event" => Some(Self::Event),
            "socklet-asleep" => Some(Self::Asleep),
            _ => None,
        }
    }
}

/// The top of the clone.
pub(crate) fn root() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.ancestors().nth(3).unwrap_or(bench)
}

/// The release build of Socklet.
pub(crate) fn release() -> PathBuf {
    root().join("target/release/socklet")
}

/// A configuration whose one route is `/`. Limits are raised where a load would meet them.
pub(crate) fn text(wanted: Wanted, kind: Kind) -> anyhow::Result<String> {
    let behavior = match kind {
        _ if wanted == Wanted::Asleep => remember()?,
        Kind::Fanout => component(GUEST, "broadcast.wasm", "make bench-build")?,
        _ => component(STOCK, "echo.wasm", "make plugins")?,
    };
    let (instance, instances) = match wanted {
        Wanted::Connection => ("connection", 19_000),
        Wanted::Shared | Wanted::Authenticated => ("shared", 1_000),
        Wanted::Event => ("event", 1_000),
        // A place that was used once keeps memory: there are few of them.
        Wanted::Asleep => ("connection", AWAKE),
    };
    let mut text = common(instances);
    text += &plugin("behavior", &behavior);
    text += &format!("[[route]]\npath = '/'\nbehavior = 'behavior'\ninstance = '{instance}'\n");
    if wanted == Wanted::Asleep {
        text += "hibernate_after = '1s'\n";
        text += ADMIN;
    }
    if wanted == Wanted::Authenticated {
        text += "authenticators = ['addresses']\n";
        text += &plugin("addresses", &component(STOCK, "ip_auth.wasm", "make plugins")?);
        text += "[plugin.addresses.settings]\nnetworks = { '127.0.0.0/8' = 'local' }\n";
    }
    Ok(text)
}

/// A quiet route `/`, and a route `/loops` whose plugin computes for ever on the text `spin`.
pub(crate) fn neighbor(instance: &str) -> anyhow::Result<String> {
    let mut text = common(1_000);
    text += &plugin("quiet", &component(STOCK, "echo.wasm", "make plugins")?);
    text += &plugin("loops", &component(GUESTS, "spin_message.wasm", "make guests")?);
    text += "timeout = '1h'\nwait_timeout = '1h'\n";
    text += &format!("[[route]]\npath = '/'\nbehavior = 'quiet'\ninstance = '{instance}'\n");
    text += "[[route]]\npath = '/loops'\nbehavior = 'loops'\n";
    Ok(text)
}

/// The one route `/`, an instance for each of `connections`, and an admin API to swap them by.
pub(crate) fn swapped(connections: usize) -> anyhow::Result<String> {
    let mut text = common(connections as u32 + 2_000);
    text += &plugin("behavior", &remember()?);
    // All stay awake but for the swap.
    text += "[[route]]\npath = '/'\nbehavior = 'behavior'\nhibernate_after = '1h'\n";
    Ok(text + ADMIN)
}

/// An echo that can be saved.
pub(crate) fn remember() -> anyhow::Result<PathBuf> {
    component(GUEST, "remember.wasm", "make bench-build")
}

/// What every configuration has. Heartbeats stay out of the way.
fn common(instances: u32) -> String {
    format!(
        "[[listener]]\nbind = '127.0.0.1:0'\n\
         [limits]\nmax_connections = 19000\nmax_message_size = '64KiB'\nsend_queue_max_bytes = '8MiB'\n\
         [heartbeat]\ninterval = '1d'\n\
         [log]\nlevel = 'error'\n\
         [engine]\ncache_dir = '{}'\nmax_instances = {instances}\n",
        root().join("tests/bench/target/compiled").display(),
    )
}

fn plugin(name: &str, file: &Path) -> String {
    format!("[plugin.{name}]\nsource = 'file:{}'\n", file.display())
}

fn component(folder: &str, file: &str, command: &str) -> anyhow::Result<PathBuf> {
    let path = root().join(folder).join(file);
    ensure!(path.is_file(), "{} is not there: `{command}` builds it", path.display());
    Ok(path)
}
