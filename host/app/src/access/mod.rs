//! Who may use the admin API, and for what: tokens and certificates with a name, a role and maybe a tenant.

mod file;

use crate::token::{Token, TokenHash};
use serde::Deserialize;
use socklet_core::TenantName;
use socklet_server::ClientCertificate;
use std::sync::{Arc, PoisonError, RwLock};

/// Somebody who uses the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What the audit log calls it: the name of a token or certificate, or a user of this machine.
    pub(crate) name: Box<str>,
    pub(crate) role: Role,
    /// Nothing but what belongs to this tenant is there for it.
    pub(crate) tenant: Option<TenantName>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Look.
    Read,
    /// Look, and change.
    Write,
}

/// By what somebody is let in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Credentials {
    tokens: Vec<(TokenHash, Arc<Identity>)>,
    certificates: Vec<(Mark, Arc<Identity>)>,
}

/// By what a certificate is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// It is this very one.
    Fingerprint(String),
    /// It has this alternative name.
    Name(String),
    /// It is of this subject.
    Subject(String),
}

/// What a request shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown<'r> {
    /// Its header field of this name.
    pub(crate) authorization: Option<&'r [u8]>,
    /// The certificate of its connection, verified.
    pub(crate) certificate: Option<&'r ClientCertificate>,
}

/// By what somebody is let in now. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access(Arc<RwLock<Arc<Credentials>>>);

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLetIn {
    /// It shows no token, and no certificate.
    NoToken,
    /// It shows a token that is not accepted.
    WrongToken,
    /// It shows no token, and a certificate of nobody who is let in.
    UnknownCertificate,
}

/// What the token of `token_file` is called.
const ALONE: &str = "token-file";

// === impl Credentials ===

impl Credentials {
    /// None: whoever reaches the API may do everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.certificates.is_empty()
    }

    /// Whether somebody is let in by a certificate.
    pub(crate) fn has_certificates(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// Adds the one of `token_file`, which may do everything.
    pub(crate) fn add_alone(&mut self, token: &Token) {
        let identity = Identity { name: ALONE.into(), role: Role::Write, tenant: None };
        self.tokens.push((token.hash(), Arc::new(identity)));
    }

    /// Who shows this token. All are compared, so that the time tells nothing.
    fn of_token(&self, shown: &[u8]) -> Option<Arc<Identity>> {
        let shown = TokenHash::of(shown);
        self.tokens
            .iter()
            .fold(None, |found, (hash, identity)| if *hash == shown { Some(identity.clone()) } else { found })
    }

    /// Whose certificate this is: known by itself, else by a name in it, else by its subject.
    fn of_certificate(&self, shown: &ClientCertificate) -> Option<Arc<Identity>> {
        let matches = |mark: &Mark| match mark {
            Mark::Fingerprint(digits) => (*digits == shown.fingerprint).then_some(0),
            Mark::Name(name) => shown.names.contains(name).then_some(1),
            Mark::Subject(subject) => (shown.subject.as_ref() == Some(subject)).then_some(2),
        };
        let found = self.certificates.iter().filter_map(|(mark, identity)| Some((matches(mark)?, identity)));
        found.min_by_key(|(rank, _)| *rank).map(|(_, identity)| identity.clone())
    }

    fn identities(&self) -> impl Iterator<Item = &Identity> {
        let of_tokens = self.tokens.iter().map(|(_, identity)| &**identity);
        of_tokens.chain(self.certificates.iter().map(|(_, identity)| &**identity))
    }
}

// === impl Access ===

impl Access {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(credentials))))
    }

    /// From now on these are accepted, and no others.
    pub(crate) fn set(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }

    /// Who shows this: by the token, and without one by the certificate. Where nobody needs any, whoever comes, under the name that
    /// `local` gives.
    ///
    /// # Errors
    ///
    /// See [`NotLetIn`].
    pub(crate) fn admit(&self, shown: Shown<'_>, local: impl FnOnce() -> String) -> Result<Arc<Identity>, NotLetIn> {
        let credentials = self.credentials();
        if credentials.is_empty() {
            return Ok(Arc::new(Identity { name: local().into(), role: Role::Write, tenant: None }));
        }
        match (shown.authorization.map(|shown| shown.split_at_checked(b"Bearer ".len())), shown.certificate) {
            (Some(Some((scheme, shown))), _) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
                credentials.of_token(shown).ok_or(NotLetIn::WrongToken)
            }
            (Some(_), _) => Err(NotLetIn::WrongToken),
            (None, Some(certificate)) => credentials.of_certificate(certificate).ok_or(NotLetIn::UnknownCertificate),
            (None, None) => Err(NotLetIn::NoToken),
        }
    }

    /// Whether somebody who was let in would be let in again.
    pub(crate) fn still_has(&self, identity: &Identity) -> bool {
        let credentials = self.credentials();
        credentials.is_empty() || credentials.identities().any(|other| other == identity)
    }

    fn credentials(&self) -> Arc<Credentials> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
