//! What an operator can set, under `[plugin.NAME.settings]`.

use crate::{claims::Path, sources::Source};
use jsonwebtoken::Algorithm;
#[cfg(not(feature = "remote"))]
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The longest difference of clocks that is forgiven.
const MAX_LEEWAY: u64 = 300;

/// The settings, with their defaults.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// A JSON Web Key Set (RFC 7517).
    #[cfg(not(feature = "remote"))]
    pub(crate) keys: Option<JwkSet>,
    /// A shared secret, for HS256, HS384 and HS512.
    #[cfg(not(feature = "remote"))]
    pub(crate) secret: Option<String>,
    /// Where the key set is.
    #[cfg(feature = "remote")]
    pub(crate) keys_url: String,
    /// Seconds after which it is asked for again.
    #[cfg(feature = "remote")]
    pub(crate) keys_max_age: u64,
    /// Seconds for which it is still good while it cannot be had.
    #[cfg(feature = "remote")]
    pub(crate) keys_max_stale: u64,
    /// The key-value store that keeps it.
    #[cfg(feature = "remote")]
    pub(crate) store: String,
    /// Where the token may be, in this order.
    pub(crate) token_from: Vec<Source>,
    /// Who may have signed the token: its `iss`. None means whoever has the key.
    pub(crate) issuer: Vec<String>,
    /// Whom the token must be for: its `aud`. `*` means that this does not matter.
    pub(crate) audience: Vec<String>,
    /// The algorithms that are accepted, of those that the keys allow. None means all of these.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Seconds by which clocks may differ.
    pub(crate) leeway: u64,
    /// Whether a token must have an end.
    pub(crate) require_exp: bool,
    /// The claim that is the subject.
    pub(crate) subject: Path,
    /// Attributes of the principal, and the claims that they come from.
    pub(crate) attributes: BTreeMap<String, Path>,
    /// What happens to a request without a token.
    pub(crate) without_token: WithoutToken,
    /// What clients are told that the token is for.
    pub(crate) realm: String,
}

/// What happens to a request without a token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WithoutToken {
    /// Refused with 401.
    Deny,
    /// The next authenticator of the route is asked.
    Abstain,
}

// === impl Settings ===

impl Settings {
    /// Checks what types cannot; the error names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        #[cfg(feature = "remote")]
        if self.keys_url.is_empty() {
            return Err("setting `keys_url`: missing".into());
        }
        if self.token_from.is_empty() {
            return Err("setting `token_from`: there is no place for a token".into());
        }
        if self.leeway > MAX_LEEWAY {
            return Err(format!("setting `leeway`: at most {MAX_LEEWAY} seconds are forgiven"));
        }
        if self.realm.chars().any(|character| !matches!(character, ' '..='~') || "\"\\".contains(character)) {
            return Err("setting `realm`: only printable ASCII without quotes fits into a header".into());
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            #[cfg(not(feature = "remote"))]
            keys: None,
            #[cfg(not(feature = "remote"))]
            secret: None,
            #[cfg(feature = "remote")]
            keys_url: String::new(),
            #[cfg(feature = "remote")]
            keys_max_age: 300,
            #[cfg(feature = "remote")]
            keys_max_stale: 86_400,
            #[cfg(feature = "remote")]
            store: "jwt-auth".into(),
            token_from: vec![Source::Bearer],
            issuer: Vec::new(),
            audience: Vec::new(),
            algorithms: Vec::new(),
            leeway: 30,
            require_exp: true,
            subject: Path::new("sub"),
            attributes: BTreeMap::new(),
            without_token: WithoutToken::Deny,
            realm: "Socklet".into(),
        }
    }
}

#[cfg(all(test, not(feature = "remote")))]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Settings, String> {
        socklet_sdk::settings_from([(key.to_owned(), value.to_owned())])
            .map_err(|error: socklet_sdk::SettingsError| error.to_string())
            .and_then(|settings: Settings| settings.check().map(|()| settings))
    }

    #[test]
    fn reads_what_the_host_has() {
        let settings = read("token_from", r#"["bearer","query:t","cookie:c","subprotocol:jwt."]"#).unwrap();
        assert_eq!(settings.token_from.len(), 4);
        assert_eq!(read("algorithms", r#"["ES256"]"#).unwrap().algorithms, [Algorithm::ES256]);
        assert_eq!(read("without_token", "abstain").unwrap().without_token, WithoutToken::Abstain);
    }

    #[test]
    fn names_the_key_that_is_wrong() {
        for (key, value) in [
            ("token_from", "[]"),
            ("token_from", r#"["somewhere"]"#),
            ("token_from", r#"["query:"]"#),
            ("algorithms", r#"["none"]"#),
            ("leeway", "301"),
            ("realm", "\""),
            ("keys", "{}"),
            ("keyz", "{}"),
        ] {
            let error = read(key, value).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
