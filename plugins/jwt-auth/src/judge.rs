//! Judges a token.

use crate::{claims::Claims, keys::Keys, settings::Settings};
use jsonwebtoken::{Validation, decode, decode_header};
use socklet_sdk::Principal;

/// What a token must be.
pub(crate) struct Judge<'a> {
    settings: &'a Settings,
}

/// Why nobody is let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The token is not right.
    Token(String),
    /// It cannot be judged now.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "keys of the settings are there"))]
    Unable(String),
}

/// Every key of a token's algorithm, at most so many.
const ATTEMPTS: usize = 8;

// === impl Judge ===

impl<'a> Judge<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self { settings }
    }

    /// Whom a token is of.
    pub(crate) fn judge(&self, token: &str, keys: &Keys) -> Result<Principal, Refusal> {
        let refused = |why: String| Err(Refusal::Token(why));
        let header = decode_header(token).map_err(|error| Refusal::Token(error.to_string()))?;
        if header.crit.is_some() {
            return refused("it has critical extensions, and none is known".into());
        }
        let algorithms = &self.settings.algorithms;
        if !algorithms.is_empty() && !algorithms.contains(&header.alg) {
            return refused(format!("{:?} is not one of the algorithms", header.alg));
        }
        let validation = self.validation(jsonwebtoken::Validation::new(header.alg));
        let mut last = "there is no key for it".to_owned();
        for key in keys.fitting(header.kid.as_deref(), header.alg).take(ATTEMPTS) {
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(data) => return self.principal(&data.claims),
                Err(error) => last = error.to_string(),
            }
        }
        refused(last)
    }

    /// Whether some key may have signed a token. A token that is none has no key.
    #[cfg(feature = "remote")]
    pub(crate) fn knows_key(&self, token: &str, keys: &Keys) -> bool {
        decode_header(token).is_ok_and(|header| keys.fitting(header.kid.as_deref(), header.alg).next().is_some())
    }

    fn validation(&self, mut validation: Validation) -> Validation {
        let Settings { issuer, audience, leeway, require_exp, .. } = self.settings;
        validation.leeway = *leeway;
        validation.validate_nbf = true;
        validation.required_spec_claims.clear();
        let mut required = Vec::new();
        if *require_exp {
            required.push("exp");
        }
        if !issuer.is_empty() {
            validation.set_issuer(issuer);
            required.push("iss");
        }
        if audience.iter().any(|any| any == "*") {
            validation.validate_aud = false;
        } else if !audience.is_empty() {
            validation.set_audience(audience);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn principal(&self, claims: &Claims) -> Result<Principal, Refusal> {
        let settings = self.settings;
        let subject = settings.subject.text(claims).filter(|subject| matches!(subject.len(), 1..=255));
        let Some(subject) = subject else {
            return Err(Refusal::Token("it has no subject of 1 to 255 bytes".into()));
        };
        let mut principal = Principal::new(subject);
        for (name, path) in &settings.attributes {
            if let Some(text) = path.text(claims) {
                principal = principal.with_attribute(name, text);
            }
        }
        let size: usize = principal.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > 16 << 10 {
            return Err(Refusal::Token("its attributes have more than 16 KiB".into()));
        }
        // As long as it would be accepted.
        let end = claims.get("exp").and_then(|exp| exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64)));
        Ok(match end {
            Some(end) => principal.with_expiry(end.saturating_add(settings.leeway)),
            None => principal,
        })
    }
}
