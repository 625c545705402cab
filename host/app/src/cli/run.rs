//! `socklet run`: one behavior, no configuration. The arguments become a configuration, so that they are checked like one.

use super::{exit::Failure, serve};
use crate::{Config, config::name_of};
use clap::Args;
use std::path::PathBuf;
use toml_edit::{Array, DocumentMut, InlineTable, Value};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The component.
    plugin: PathBuf,
    /// The address: an IP address with a port, `:PORT`, or `unix:PATH`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The path, such as `/rooms/{room}`. Without it every path is served.
    #[arg(long)]
    path: Option<String>,
    /// Who shares an instance: `connection`, `shared`, `event`, or `key={capture}`.
    #[arg(long, value_name = "POLICY", default_value = "connection")]
    instance: String,
    /// A setting of the plugin; may be repeated.
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

/// Serves one behavior until a signal.
pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::parse_with(&arguments.to_toml(), "command line", crate::config::environment())?;
    serve::until_signal(config).await
}

impl Arguments {
    /// The configuration that they stand for.
    fn to_toml(&self) -> String {
        let stem = self.plugin.file_stem().unwrap_or_default().to_string_lossy();
        let name = name_of(&stem);
        let route = [
            self.path.as_ref().map_or(("default", true.into()), |path| ("path", path.into())),
            ("behavior", name.as_str().into()),
            (
                "instance",
                match self.instance.strip_prefix("key=") {
                    Some(key) => InlineTable::from_iter([("key", key)]).into(),
                    None => self.instance.as_str().into(),
                },
            ),
        ];
        let settings: InlineTable = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let plugin = [("source", format!("file:{}", self.plugin.display()).into()), ("settings", settings.into())];
        let mut document = DocumentMut::new();
        let tables = |table: InlineTable| toml_edit::value(Array::from_iter([Value::from(table)]));
        document["listener"] = tables(InlineTable::from_iter([("bind", self.listen.as_str())]));
        document["route"] = tables(InlineTable::from_iter::<[(&str, Value); 3]>(route));
        let plugin: InlineTable = InlineTable::from_iter::<[(&str, Value); 2]>(plugin);
        document["plugin"] = toml_edit::value(InlineTable::from_iter([(name.as_str(), plugin)]));
        document.to_string()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("My \"Chat\".wasm");
        std::fs::write(&plugin, "").unwrap();
        let arguments = Arguments {
            plugin: plugin.clone(),
            listen: "127.0.0.1:0".into(),
            path: Some("/r/{room}".into()),
            instance: "key={room}".into(),
            settings: vec![("greeting".into(), "say \"hi\"".into())],
        };
        let config = Config::parse(&arguments.to_toml(), "command line").unwrap();
        assert_eq!(config.plugins[0].name.as_str(), "my-chat");
        assert_eq!(config.plugins[0].source, plugin);
        assert_eq!(config.plugins[0].settings["greeting"], "say \"hi\"");
        assert_eq!(config.routes[0].behavior.as_ref(), Some(&config.plugins[0].id()));
    }
}
