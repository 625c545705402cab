//! Lets clients in by their address: the longest network that contains it names the user.

mod networks;

use networks::Networks;
use serde::Deserialize;
use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
use std::collections::BTreeMap;
use std::error::Error;

#[derive(Default)]
struct IpAuth {
    networks: Networks,
    otherwise: Otherwise,
}

/// What an operator can set, under `[plugin.NAME.settings]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Networks (`10.0.0.0/8`) or addresses, and the user that each stands for.
    networks: BTreeMap<String, String>,
    /// What happens to everybody else.
    #[serde(default)]
    otherwise: Otherwise,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    /// The next authenticator of the route is asked.
    #[default]
    Abstain,
    /// Refused with 403.
    Deny,
}

// === impl IpAuth ===

impl Authenticator for IpAuth {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        let settings: Settings = socklet_sdk::settings()?;
        self.networks = Networks::parse(&settings.networks)?;
        self.otherwise = settings.otherwise;
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        match (self.networks.user_of(&request.client_ip), self.otherwise) {
            (Some(user), _) => Verdict::Grant(Principal::new(user)),
            (None, Otherwise::Abstain) => Verdict::Abstain,
            (None, Otherwise::Deny) => Verdict::Deny(Response::new(403).with_text("403 Forbidden\n")),
        }
    }
}

socklet_sdk::export_authenticator!(IpAuth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_settings_and_names_the_key_that_is_wrong() {
        let read = |key: &str, value: &str| -> Result<Settings, String> {
            let pairs = [("networks".to_owned(), "{}".to_owned()), (key.to_owned(), value.to_owned())];
            socklet_sdk::settings_from(pairs.into_iter().skip(usize::from(key == "networks")))
                .map_err(|error: socklet_sdk::SettingsError| error.to_string())
        };
        assert_eq!(read("otherwise", "deny").unwrap().otherwise, Otherwise::Deny);
        assert_eq!(read("networks", r#"{"::1":"me"}"#).unwrap().otherwise, Otherwise::Abstain);
        for (key, value) in [("otherwise", "allow"), ("networks", "[]"), ("network", "{}")] {
            let error = read(key, value).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
