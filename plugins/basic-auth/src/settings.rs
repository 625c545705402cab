//! What an operator can set, under `[plugin.NAME.settings]`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The settings, with their defaults.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What the browser tells the user that the password is for.
    pub(crate) realm: String,
    /// Names and the hashes of their passwords.
    pub(crate) users: BTreeMap<String, String>,
    /// What happens to a request without an `Authorization` header.
    pub(crate) without_credentials: WithoutCredentials,
    /// The subject of those who are let in without credentials.
    pub(crate) guest: String,
}

/// What happens to a request without an `Authorization` header.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WithoutCredentials {
    /// Refused with 401.
    Deny,
    /// The next authenticator of the route is asked.
    Abstain,
    /// Let in as the guest.
    Guest,
}

// === impl Settings ===

impl Settings {
    /// Checks what types cannot; the error names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.realm.chars().any(|character| !matches!(character, ' '..='~')) {
            return Err("setting `realm`: only printable ASCII fits into a header".into());
        }
        if !matches!(self.guest.len(), 1..=255) {
            return Err("setting `guest`: a subject has 1 to 255 bytes".into());
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            realm: "Socklet".into(),
            users: BTreeMap::new(),
            without_credentials: WithoutCredentials::Deny,
            guest: "guest".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Settings, String> {
        socklet_sdk::settings_from([(key.to_owned(), value.to_owned())])
            .map_err(|error: socklet_sdk::SettingsError| error.to_string())
            .and_then(|settings: Settings| settings.check().map(|()| settings))
    }

    #[test]
    fn reads_what_the_host_has() {
        assert_eq!(read("users", r#"{"ann":"$2b$.."}"#).unwrap().users["ann"], "$2b$..");
        assert_eq!(read("without_credentials", "abstain").unwrap().without_credentials, WithoutCredentials::Abstain);
    }

    #[test]
    fn names_the_key_that_is_wrong() {
        for (key, value) in
            [("realm", "é"), ("guest", ""), ("users", "ann"), ("without_credentials", "x"), ("relm", "")]
        {
            let error = read(key, value).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
