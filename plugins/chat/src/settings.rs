//! What an operator can set, under `[plugin.NAME.settings]`.

use serde::Deserialize;

/// The settings, with their defaults.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The room on routes whose path captures no `{room}`.
    pub(crate) default_room: String,
    /// Characters in a line.
    pub(crate) max_text: usize,
    /// Characters in a name.
    pub(crate) max_name: usize,
    /// Characters in the name of a room; at most 60, so that its topic is never too long.
    pub(crate) max_room: usize,
    /// Members that are listed, and among whom a name is unique.
    pub(crate) max_listed: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_room: "lobby".into(), max_text: 2000, max_name: 32, max_room: 60, max_listed: 100 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Settings, String> {
        socklet_sdk::settings_from([(key.to_owned(), value.to_owned())])
            .map_err(|error: socklet_sdk::SettingsError| error.to_string())
    }

    #[test]
    fn has_defaults_and_refuses_unknown_keys() {
        let settings = read("max_text", "10").unwrap();
        assert_eq!(settings.max_text, 10);
        assert_eq!(settings.default_room, "lobby");
        assert!(read("max_texts", "10").unwrap_err().contains("`max_texts`"));
        assert!(read("max_text", "ten").unwrap_err().contains("`max_text`"));
    }
}
