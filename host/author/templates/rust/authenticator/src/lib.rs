//! {{name}}: lets in whoever knows the token.

use serde::Deserialize;
use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
use std::error::Error;

/// What `[plugin.{{name}}.settings]` of the server's configuration says.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: String,
}

#[derive(Default)]
struct Friends {
    settings: Settings,
}

impl Authenticator for Friends {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        let Some(token) = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
            // The next authenticator is asked, and without one the answer is 401.
            return Verdict::Abstain;
        };
        if socklet_sdk::same(token.as_bytes(), self.settings.token.as_bytes()) {
            Verdict::Grant(Principal::new("friend"))
        } else {
            Verdict::Deny(Response::new(401).with_header("www-authenticate", "Bearer").with_text("unknown token"))
        }
    }
}

socklet_sdk::export_authenticator!(Friends);
