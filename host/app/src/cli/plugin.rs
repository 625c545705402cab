//! `socklet plugin`: shows and swaps the plugins of a running server.

use super::{client::Client, exit::Failure, out, target::Target};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Subcommand;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;
use socklet_core::PluginId;
use socklet_plugin::MAX_SIZE;
use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the plugins and their versions.
    Ls {
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Has another component take over, with the settings and limits of the plugin. No connection is closed for it.
    Swap {
        /// The plugin: `chat`, or `acme/chat` where it is one of a tenant's own.
        name: PluginId,
        /// The component.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Has the version before take over again.
    Rollback {
        /// The plugin: `chat`, or `acme/chat` where it is one of a tenant's own.
        name: PluginId,
        #[command(flatten)]
        target: Target,
    },
}

/// What the server says of its plugins.
#[derive(Debug, Deserialize)]
struct List {
    plugins: Vec<Plugin>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Plugin {
    name: String,
    /// None before it is loaded.
    kind: Option<String>,
    state: String,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    version: u32,
    role: String,
    live: u64,
    hibernated: u64,
    digest: String,
}

/// What the server says of a change.
#[derive(Debug, Deserialize)]
struct Change {
    plugin: String,
    changed: bool,
    version: Option<Version>,
}

/// Hex digits of a digest that are shown to people.
const DIGITS: usize = 12;

/// Shows or swaps.
pub(super) async fn plugin(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls { target, json } => list(&target.client()?, json).await,
        Command::Swap { name, file, target } => {
            let client = target.client()?;
            let component = read(&file)?;
            // Asked first: whether there is such a plugin, and who we are, is told without sending megabytes.
            let path = path(&name);
            client.get(&path).await?;
            let answer = client.post(&format!("{path}/swap"), component).await?;
            out::print(&told(answer.done()?)?);
            Ok(())
        }
        Command::Rollback { name, target } => {
            let answer = target.client()?.post(&format!("{}/rollback", path(&name)), Bytes::new()).await?;
            out::print(&told(answer.done()?)?);
            Ok(())
        }
    }
}

async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let list = client.get("/v1/plugins").await?;
    if as_json {
        out::print_json(&list);
    } else {
        out::print(&table(&parse::<List>(list)?.plugins));
    }
    Ok(())
}

/// Where the admin API has it.
fn path(PluginId { tenant, name }: &PluginId) -> String {
    match tenant {
        Some(tenant) => format!("/v1/tenants/{tenant}/plugins/{name}"),
        None => format!("/v1/plugins/{name}"),
    }
}

/// What became of a plugin, in a line.
fn told(change: Json) -> anyhow::Result<String> {
    let Change { plugin, changed, version } = parse(change)?;
    Ok(match (changed, version) {
        (false, Some(version)) => format!("{plugin}: unchanged, version {}", version.version),
        (true, Some(version)) => format!("{plugin}: {version}"),
        (_, None) => format!("{plugin}: not loaded"),
    })
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        if self.role == "trial" { f.write_str(", on trial") } else { Ok(()) }
    }
}

/// What the server says.
pub(super) fn parse<T: DeserializeOwned>(data: Json) -> anyhow::Result<T> {
    serde_json::from_value(data).context("failed to understand the server's answer")
}

fn read(path: &Path) -> anyhow::Result<Bytes> {
    let failed = || format!("failed to read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes)).with_context(failed)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(anyhow!("{} is too large for a component: at most {MAX_SIZE} bytes", path.display()));
    }
    Ok(bytes.into())
}

/// Plugins and their versions, for people.
pub(super) fn table(plugins: &[Plugin]) -> String {
    let mut rows = vec![["PLUGIN", "KIND", "VERSION", "ROLE", "LIVE", "HIBERNATED", "DIGEST"].map(str::to_owned)];
    for Plugin { name, kind, state, versions } in plugins {
        let kind = out::cell(kind.as_deref());
        if versions.is_empty() {
            let nothing = || "-".to_owned();
            rows.push([name.clone(), kind.clone(), nothing(), state.clone(), nothing(), nothing(), nothing()]);
        }
        for Version { version, role, live, hibernated, digest } in versions {
            let digest = digest.get(.."sha256:".len() + DIGITS).unwrap_or(digest).to_owned();
            let [version, live, hibernated] = [version.to_string(), live.to_string(), hibernated.to_string()];
            rows.push([name.clone(), kind.clone(), version, role.clone(), live, hibernated, digest]);
        }
    }
    out::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_a_table() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let version = |number: u32, role: &str| json!({ "version": number, "role": role, "live": 3, "hibernated": 12, "digest": digest });
        let list = json!({ "plugins": [
            { "name": "auth", "kind": "authenticator", "state": "loaded", "versions": [version(1, "current")] },
            { "name": "chat", "kind": "behavior", "state": "loaded", "versions": [version(2, "trial"), version(1, "before")] },
            { "name": "acme/chat", "kind": null, "state": "failed", "versions": [] },
        ] });
        assert_eq!(
            table(&parse::<List>(list).unwrap().plugins),
            "PLUGIN     KIND           VERSION  ROLE     LIVE  HIBERNATED  DIGEST\n\
             auth       authenticator  1        current  3     12          sha256:abababababab\n\
             chat       behavior       2        trial    3     12          sha256:abababababab\n\
             chat       behavior       1        before   3     12          sha256:abababababab\n\
             acme/chat  -              -        failed   -     -           -"
        );
        let change =
            |changed, role| told(json!({ "plugin": "chat", "changed": changed, "version": version(2, role) })).unwrap();
        assert_eq!(change(true, "trial"), "chat: version 2, on trial");
        assert_eq!(change(true, "current"), "chat: version 2");
        assert_eq!(change(false, "current"), "chat: unchanged, version 2");
    }
}
