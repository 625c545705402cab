//! What an operator can set, under `[plugin.NAME.settings]`.

use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// The settings, with their defaults.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The endpoint.
    pub(crate) url: String,
    /// The header fields of the request that it is told, in lower case.
    pub(crate) forward_headers: Vec<String>,
    /// Whether it is told the query.
    pub(crate) forward_query: bool,
    /// Header fields that it is sent, such as a secret by which it knows who asks.
    pub(crate) headers: BTreeMap<String, String>,
    /// Milliseconds that each step may take: to connect, to answer.
    pub(crate) timeout_ms: u64,
}

// === impl Settings ===

impl Settings {
    /// Checks what types cannot; the error names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err("setting `url`: it does not begin with http:// or https://".into());
        }
        if let Some(name) = self.forward_headers.iter().find(|name| **name != name.to_ascii_lowercase()) {
            return Err(format!("setting `forward_headers`: write {name} in lower case"));
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            return Err("setting `timeout_ms`: expected 1 to 60000".into());
        }
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            forward_headers: vec!["authorization".into(), "cookie".into()],
            forward_query: true,
            headers: BTreeMap::new(),
            timeout_ms: 2_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_key_that_is_wrong() {
        for (key, value) in [
            ("url", "auth.example"),
            ("forward_headers", r#"["Cookie"]"#),
            ("timeout_ms", "0"),
            ("timeout_ms", "60001"),
            ("uri", "x"),
        ] {
            let usual = ("url".to_owned(), "http://auth.example".to_owned());
            let pairs = [usual, (key.to_owned(), value.to_owned())];
            let settings: Result<Settings, _> = socklet_sdk::settings_from(pairs);
            let error = match settings {
                Ok(settings) => settings.check().unwrap_err(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
