//! `socklet plugin`: shows and swaps the plugins of a running server.

use super::{
    client::{Client, Content, understand},
    exit::Failure,
    out,
    table::Table,
    target::Target,
};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value as Json;
use socklet_core::{PluginId, TenantName};
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
        owner: Owner,
        #[command(flatten)]
        target: Target,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Has another component take over, with the settings and limits of the plugin. No connection is closed for it.
    Swap {
        #[command(flatten)]
        one: One,
        /// The component.
        file: PathBuf,
    },
    /// Has the version before take over again.
    Rollback(One),
    /// Goes back from a component that was sent and is kept to what the configuration says.
    Reset(One),
}

/// One plugin of a server.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The plugin: `chat`, or `acme/chat` where it is one of a tenant's own.
    name: PluginId,
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Whose plugin it is, for tokens of a tenant.
#[derive(Debug, clap::Args)]
pub(super) struct Owner {
    /// The tenant that has it, and nobody else has. Needed with a token of a tenant.
    #[arg(long)]
    tenant: Option<TenantName>,
}

/// What the server says of its plugins.
#[derive(Debug, Deserialize)]
struct List {
    plugins: Vec<Plugin>,
}

#[derive(Debug, Deserialize)]
struct Plugin {
    name: String,
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
        Command::Ls { owner, target, json } => list(&target.client()?, &owner, json).await,
        Command::Swap { one: One { name, owner, target, json }, file } => {
            let client = target.client()?;
            let component = Content::component(read(&file)?);
            let path = owner.path(&name)?;
            // Asked first: whether there is such a plugin, and who we are, is told without sending megabytes.
            client.get(&path).await?;
            let answer = match owner.tenant {
                Some(_) => client.put(&path, component).await?,
                None => client.post(&format!("{path}/swap"), component).await?,
            };
            tell(json, answer.done()?)
        }
        Command::Rollback(One { name, owner, target, json }) => {
            let path = format!("{}/rollback", owner.path(&name)?);
            tell(json, target.client()?.post(&path, Content::none()).await?.done()?)
        }
        Command::Reset(One { name, owner, target, json }) => {
            let upload = if owner.tenant.is_some() { "" } else { "/upload" };
            let path = format!("{}{upload}", owner.path(&name)?);
            tell(json, target.client()?.delete(&path).await?.done()?)
        }
    }
}

fn tell(as_json: bool, change: Json) -> Result<(), Failure> {
    if as_json {
        out::print_json(&change);
    } else {
        out::print(&told(change)?);
    }
    Ok(())
}

// === impl Owner ===

impl Owner {
    /// Where the admin API has a plugin. With `--tenant acme`, `acme/chat` is that tenant's `chat`.
    fn path(&self, plugin: &PluginId) -> Result<String, Failure> {
        match (&self.tenant, &plugin.tenant) {
            (Some(said), Some(of)) if said != of => {
                Err(anyhow!("{plugin} is not a plugin of the tenant {said}").into())
            }
            (Some(tenant), _) => {
                Ok(Client::path(&["v1", "tenants", tenant.as_str(), "plugins", plugin.name.as_str()], &[]))
            }
            (None, _) => Ok(Client::path(&["v1", "plugins", &plugin.to_string()], &[])),
        }
    }

    fn prefix(&self) -> String {
        self.tenant.as_ref().map_or("/v1".to_owned(), |tenant| format!("/v1/tenants/{tenant}"))
    }
}

async fn list(client: &Client, owner: &Owner, as_json: bool) -> Result<(), Failure> {
    let list = client.get(&format!("{}/plugins", owner.prefix())).await?;
    if as_json {
        out::print_json(&list);
    } else {
        out::print(&table(&understand::<List>(list)?.plugins));
    }
    Ok(())
}

/// What became of a plugin, in a line.
fn told(change: Json) -> anyhow::Result<String> {
    let Change { plugin, changed, version } = understand(change)?;
    Ok(match (changed, version) {
        (false, Some(version)) => format!("{plugin}: unchanged, version {}", version.version),
        (true, Some(version)) => format!("{plugin}: {version}"),
        (_, None) => format!("{plugin}: not loaded"),
    })
}

// === impl Version ===

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        if self.role == "trial" { f.write_str(", on trial") } else { Ok(()) }
    }
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

fn table(plugins: &[Plugin]) -> String {
    let mut table = Table::new(["PLUGIN", "KIND", "VERSION", "ROLE", "LIVE", "HIBERNATED", "DIGEST"]);
    for Plugin { name, kind, state, versions } in plugins {
        let (name, kind, none) = (|| name.clone(), || kind.clone().unwrap_or_default(), String::new);
        if versions.is_empty() {
            table.push([name(), kind(), none(), state.clone(), none(), none(), none()]);
        }
        for Version { version, role, live, hibernated, digest } in versions {
            let digest = digest.get(.."sha256:".len() + DIGITS).unwrap_or(digest);
            let [version, live, hibernated] = [version.to_string(), live.to_string(), hibernated.to_string()];
            table.push([name(), kind(), version, role.clone(), live, hibernated, digest.to_owned()]);
        }
    }
    table.to_string()
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
            { "name": "acme/lazy", "kind": null, "state": "deferred", "versions": [] },
            { "name": "chat", "kind": "behavior", "state": "loaded", "versions": [version(2, "trial"), version(1, "before")] },
        ] });
        assert_eq!(
            table(&understand::<List>(list).unwrap().plugins),
            "PLUGIN     KIND           VERSION  ROLE      LIVE  HIBERNATED  DIGEST\n\
             auth       authenticator  1        current   3     12          sha256:abababababab\n\
             acme/lazy  -              -        deferred  -     -           -\n\
             chat       behavior       2        trial     3     12          sha256:abababababab\n\
             chat       behavior       1        before    3     12          sha256:abababababab"
        );
        let change =
            |changed, role| told(json!({ "plugin": "chat", "changed": changed, "version": version(2, role) })).unwrap();
        assert_eq!(change(true, "trial"), "chat: version 2, on trial");
        assert_eq!(change(true, "current"), "chat: version 2");
        assert_eq!(change(false, "current"), "chat: unchanged, version 2");
    }
}
