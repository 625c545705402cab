//! Lets in whoever has a token that the settings know.

use serde::Deserialize;
use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
use std::{
    collections::BTreeMap,
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The subjects by their tokens.
    tokens: BTreeMap<String, String>,
    /// How long a connection may stay, in seconds.
    ttl: Option<u64>,
}

#[derive(Default)]
struct Tokens {
    settings: Settings,
}

impl Tokens {
    /// Looks at every token, so that the time tells nothing.
    fn subject_of(&self, token: &str) -> Option<&str> {
        let same = |known: &str| socklet_sdk::same(known.as_bytes(), token.as_bytes());
        let known = self.settings.tokens.iter();
        known.fold(None, |found, (known, subject)| if same(known) { Some(subject.as_str()) } else { found })
    }
}

impl Authenticator for Tokens {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (token, via) = match (bearer, request.query_value("token")) {
            (Some((_, token)), _) => (token.trim().to_owned(), "bearer"),
            (None, Some(token)) => (token, "query"),
            (None, None) => return Verdict::Abstain,
        };
        let Some(subject) = self.subject_of(&token) else {
            let challenge = r#"Bearer realm="socklet""#;
            return Verdict::Deny(
                Response::new(401).with_header("www-authenticate", challenge).with_text("unknown token"),
            );
        };
        let mut principal = Principal::new(subject).with_attribute("via", via);
        if let Some(ttl) = self.settings.ttl {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            principal.expires_at = Some(now.as_secs().saturating_add(ttl));
        }
        Verdict::Grant(principal)
    }
}

socklet_sdk::export_authenticator!(Tokens);
