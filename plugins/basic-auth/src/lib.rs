//! Lets users in by name and password: the Basic scheme of RFC 7617.

mod credentials;
mod secret;
mod settings;
mod users;

use credentials::{Credentials, Presented};
use settings::{Settings, WithoutCredentials};
use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
use std::error::Error;
use users::Users;

#[derive(Default)]
struct BasicAuth {
    settings: Settings,
    users: Users,
}

// === impl BasicAuth ===

impl Authenticator for BasicAuth {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        self.settings.check()?;
        self.users = Users::parse(&self.settings.users)?;
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        let headers = request.headers.iter().filter(|field| field.name == "authorization");
        match credentials::presented(headers.map(|field| field.value.as_str())) {
            Presented::Basic(Credentials { user, password }) if self.users.verify(&user, password.as_bytes()) => {
                Verdict::Grant(Principal::new(user))
            }
            Presented::Basic(_) | Presented::Malformed => self.challenge(),
            Presented::OtherScheme => match self.settings.without_credentials {
                WithoutCredentials::Abstain => Verdict::Abstain,
                WithoutCredentials::Deny | WithoutCredentials::Guest => self.challenge(),
            },
            Presented::Nothing => match self.settings.without_credentials {
                WithoutCredentials::Deny => self.challenge(),
                WithoutCredentials::Abstain => Verdict::Abstain,
                WithoutCredentials::Guest => {
                    Verdict::Grant(Principal::new(&self.settings.guest).with_attribute("anonymous", "true"))
                }
            },
        }
    }
}

impl BasicAuth {
    fn challenge(&self) -> Verdict {
        let realm = self.settings.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Verdict::Deny(Response::new(401).with_header("www-authenticate", challenge).with_text("401 Unauthorized\n"))
    }
}

socklet_sdk::export_authenticator!(BasicAuth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_realm() {
        let settings = Settings { realm: r#"a "b" \"#.into(), ..Settings::default() };
        let Verdict::Deny(response) = (BasicAuth { settings, users: Users::default() }).challenge() else {
            panic!("a challenge is a denial");
        };
        assert_eq!(response.status, 401);
        assert_eq!(response.headers[0].name, "www-authenticate");
        assert_eq!(response.headers[0].value, r#"Basic realm="a \"b\" \\", charset="UTF-8""#);
    }
}
