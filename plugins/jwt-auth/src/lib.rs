//! Lets those in who show a JSON Web Token (RFC 7519). Keys come from the settings or, in the package `jwt-auth-remote`, from a URL.

mod claims;
mod judge;
mod keys;
#[cfg(feature = "remote")]
mod remote;
mod settings;
mod sources;

use judge::{Judge, Refusal};
use settings::{Settings, WithoutToken};
use socklet_sdk::{Authenticator, Request, Response, Verdict};
use std::error::Error;

#[derive(Default)]
struct JwtAuth {
    settings: Settings,
    #[cfg(not(feature = "remote"))]
    keys: keys::Keys,
}

// === impl JwtAuth ===

impl Authenticator for JwtAuth {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        self.settings.check()?;
        #[cfg(not(feature = "remote"))]
        {
            self.keys = keys::Keys::of_settings(self.settings.keys.as_ref(), self.settings.secret.as_deref())?;
        }
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        let Some(token) = self.settings.token_from.iter().find_map(|source| source.token(request)) else {
            return match self.settings.without_token {
                WithoutToken::Abstain => Verdict::Abstain,
                WithoutToken::Deny => self.challenge(""),
            };
        };
        match self.judge(&token) {
            Ok(principal) => Verdict::Grant(principal),
            Err(Refusal::Token(why)) => {
                socklet_sdk::debug!("token refused: {why}");
                self.challenge(", error=\"invalid_token\"")
            }
            Err(Refusal::Unable(why)) => {
                socklet_sdk::error!("no keys to check a token with: {why}");
                Verdict::Deny(Response::new(503).with_header("retry-after", "5").with_text("503 Service Unavailable\n"))
            }
        }
    }
}

impl JwtAuth {
    #[cfg(not(feature = "remote"))]
    fn judge(&self, token: &str) -> Result<socklet_sdk::Principal, Refusal> {
        Judge::new(&self.settings).judge(token, &self.keys)
    }

    #[cfg(feature = "remote")]
    fn judge(&self, token: &str) -> Result<socklet_sdk::Principal, Refusal> {
        remote::judge(&self.settings, &Judge::new(&self.settings), token)
    }

    fn challenge(&self, more: &str) -> Verdict {
        let challenge = format!("Bearer realm=\"{}\"{more}", self.settings.realm);
        Verdict::Deny(Response::new(401).with_header("www-authenticate", challenge).with_text("401 Unauthorized\n"))
    }
}

socklet_sdk::export_authenticator!(JwtAuth);
