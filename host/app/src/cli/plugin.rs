//! `socklet plugin`: shows and swaps the plugins of a running server.

use super::{client::Client, exit::Failure, out, target::Target};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Subcommand;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;
use socklet_core::PluginName;
use socklet_plugin::MAX_SIZE;
use std::{
    fmt::Write,
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
        /// The plugin.
        name: PluginName,
        /// The component.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Has the version before take over again.
    Rollback {
        /// The plugin.
        name: PluginName,
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
struct Plugin {
    name: String,
    kind: String,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
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
    version: Version,
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
            client.get(&format!("/v1/plugins/{name}")).await?;
            let answer = client.post(&format!("/v1/plugins/{name}/swap"), component).await?;
            out::print(&told(answer.done()?)?);
            Ok(())
        }
        Command::Rollback { name, target } => {
            let answer = target.client()?.post(&format!("/v1/plugins/{name}/rollback"), Bytes::new()).await?;
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
        out::print(table(&parse::<List>(list)?.plugins).trim_end());
    }
    Ok(())
}

/// What became of a plugin, in a line.
pub(super) fn told(change: Json) -> anyhow::Result<String> {
    let Change { plugin, changed, version: Version { version, role, .. } } = parse(change)?;
    Ok(match (changed, role.as_str()) {
        (false, _) => format!("{plugin}: unchanged, version {version}"),
        (true, "trial") => format!("{plugin}: version {version}, on trial"),
        (true, _) => format!("{plugin}: version {version}"),
    })
}

fn parse<T: DeserializeOwned>(data: Json) -> anyhow::Result<T> {
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

fn table(plugins: &[Plugin]) -> String {
    let mut rows = vec![["PLUGIN", "KIND", "VERSION", "ROLE", "LIVE", "HIBERNATED", "DIGEST"].map(str::to_owned)];
    for plugin in plugins {
        for Version { version, role, live, hibernated, digest } in &plugin.versions {
            let digest = digest.get(.."sha256:".len() + DIGITS).unwrap_or(digest);
            let numbers = [version.to_string(), live.to_string(), hibernated.to_string()];
            let [version, live, hibernated] = numbers;
            rows.push([
                plugin.name.clone(),
                plugin.kind.clone(),
                version,
                role.clone(),
                live,
                hibernated,
                digest.to_owned(),
            ]);
        }
    }
    let widths: [usize; 7] = std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
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
            { "name": "auth", "kind": "authenticator", "versions": [version(1, "current")] },
            { "name": "chat", "kind": "behavior", "versions": [version(2, "trial"), version(1, "before")] },
        ] });
        assert_eq!(
            table(&parse::<List>(list).unwrap().plugins),
            "PLUGIN  KIND           VERSION  ROLE     LIVE  HIBERNATED  DIGEST\n\
             auth    authenticator  1        current  3     12          sha256:abababababab\n\
             chat    behavior       2        trial    3     12          sha256:abababababab\n\
             chat    behavior       1        before   3     12          sha256:abababababab\n"
        );
        let change =
            |changed, role| told(json!({ "plugin": "chat", "changed": changed, "version": version(2, role) })).unwrap();
        assert_eq!(change(true, "trial"), "chat: version 2, on trial");
        assert_eq!(change(true, "current"), "chat: version 2");
        assert_eq!(change(false, "current"), "chat: unchanged, version 2");
    }
}
