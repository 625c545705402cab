//! Who may use the admin API, and for what: tokens with a name, a role and maybe a tenant.

use crate::token::{Token, TokenError, TokenHash, read_private};
use serde::Deserialize;
use socklet_core::TenantName;
use std::{
    collections::HashSet,
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

/// Somebody who uses the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What the audit log calls it: the name of a token, or a user of this machine.
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

/// The tokens that are accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tokens(Vec<(TokenHash, Arc<Identity>)>);

/// The tokens that are accepted now. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access(Arc<RwLock<Arc<Tokens>>>);

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLetIn {
    /// It shows no token.
    NoToken,
    /// It shows one that is not accepted.
    WrongToken,
}

/// A file of tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    token: Option<String>,
    hash: Option<String>,
    role: Role,
    tenant: Option<String>,
}

/// What the token of `token_file` is called.
const ALONE: &str = "token-file";
/// The most tokens in a file: each is compared for each request.
const MAX_TOKENS: usize = 1_000;
/// The largest file.
const MAX_FILE: u64 = 1 << 20;

// === impl Tokens ===

impl Tokens {
    /// None: whoever reaches the API may do everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the one of `token_file`, which may do everything.
    pub(crate) fn add_alone(&mut self, token: &Token) {
        let identity = Identity { name: ALONE.into(), role: Role::Write, tenant: None };
        self.0.push((token.hash(), Arc::new(identity)));
    }

    /// Adds those of a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. Nothing of what may be a secret is repeated.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<(), Vec<String>> {
        let shown = path.display();
        let bytes = read_private(path, MAX_FILE + 1).map_err(|error: TokenError| vec![error.to_string()])?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(vec![format!("{shown} has more than {MAX_FILE} bytes")]);
        }
        let text = String::from_utf8(bytes).map_err(|_| vec![format!("{shown} is not UTF-8")])?;
        let file: TokensFile = toml_edit::de::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            // Its message alone, and not what was written: it may be a secret.
            let message = error.message().replace('\n', ", ");
            let expected = message.split_once(", expected").filter(|(before, _)| !before.starts_with("unknown field"));
            let message = expected.map_or(message.clone(), |(_, rest)| format!("expected{rest}"));
            vec![format!("{shown}:{line}: {message}")]
        })?;
        if file.token.is_empty() {
            return Err(vec![format!("{shown} has no token: write [[token]] with name, hash (or token) and role")]);
        }
        if file.token.len() > MAX_TOKENS {
            return Err(vec![format!("{shown} has more than {MAX_TOKENS} tokens")]);
        }
        let (mut problems, mut names) = (Vec::new(), HashSet::new());
        for (index, entry) in file.token.into_iter().enumerate() {
            match entry.parse() {
                Ok((_, identity)) if !names.insert(identity.name.clone()) => {
                    problems.push(format!("{shown}: there are two tokens with the name {}", identity.name));
                }
                Ok((hash, _)) if self.0.iter().any(|(other, _)| *other == hash) => {
                    problems.push(format!("{shown}: token {} is another one's, too", index + 1));
                }
                Ok(token) => self.0.push(token),
                Err(problem) => problems.push(format!("{shown}: token {}: {problem}", index + 1)),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Who shows this. All are compared, so that the time tells nothing.
    fn find(&self, shown: &[u8]) -> Option<Arc<Identity>> {
        let shown = TokenHash::of(shown);
        self.0.iter().fold(None, |found, (hash, identity)| if *hash == shown { Some(identity.clone()) } else { found })
    }
}

// === impl TokenEntry ===

impl TokenEntry {
    fn parse(self) -> Result<(TokenHash, Arc<Identity>), String> {
        let Self { name, token, hash, role, tenant } = self;
        // The names of the audit log are like all other names.
        if name.parse::<TenantName>().is_err() || name == ALONE {
            return Err(format!("name: use 1 to 63 of a-z, 0-9, '-' and '_', and not {ALONE}"));
        }
        let hash = match (hash, token) {
            (Some(hash), None) => TokenHash::parse(&hash)
                .ok_or("hash: expected \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256"),
            (None, Some(token)) => Token::parse(&token)
                .map(|token| token.hash())
                .ok_or("token: expected 16 to 4096 visible ASCII characters"),
            _ => Err("write one of hash and token"),
        }?;
        let tenant = tenant.map(|tenant| tenant.parse::<TenantName>()).transpose();
        let tenant = tenant.map_err(|error| format!("tenant: {error}"))?;
        Ok((hash, Arc::new(Identity { name: name.into(), role, tenant })))
    }
}

impl fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl Access ===

impl Access {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(tokens))))
    }

    /// From now on these are accepted, and no others.
    pub(crate) fn set(&self, tokens: Tokens) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    /// Who shows this token; without any tokens, whoever comes, under the name that `local` gives.
    ///
    /// # Errors
    ///
    /// See [`NotLetIn`].
    pub(crate) fn admit(
        &self,
        shown: Option<&[u8]>,
        local: impl FnOnce() -> String,
    ) -> Result<Arc<Identity>, NotLetIn> {
        let tokens = self.tokens();
        if tokens.is_empty() {
            return Ok(Arc::new(Identity { name: local().into(), role: Role::Write, tenant: None }));
        }
        match shown.map(|shown| shown.split_at_checked(b"Bearer ".len())) {
            Some(Some((scheme, shown))) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
                tokens.find(shown).ok_or(NotLetIn::WrongToken)
            }
            Some(_) => Err(NotLetIn::WrongToken),
            None => Err(NotLetIn::NoToken),
        }
    }

    /// Whether somebody who was let in would be let in again.
    pub(crate) fn still_has(&self, identity: &Identity) -> bool {
        let tokens = self.tokens();
        tokens.is_empty() || tokens.0.iter().any(|(_, other)| **other == *identity)
    }

    fn tokens(&self) -> Arc<Tokens> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    const HASH: &str = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

    fn read(text: &str) -> Result<Tokens, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut tokens = Tokens::default();
        let short = |problem: &String| problem.replace(&format!("{}/", folder.path().display()), "");
        tokens.add_file(&path).map_err(|problems| problems.iter().map(short).collect::<Vec<_>>())?;
        Ok(tokens)
    }

    #[test]
    fn tokens_have_names_roles_and_tenants() {
        let text = format!(
            "[[token]]\nname = \"watch\"\nhash = \"{HASH}\"\nrole = \"read\"\n\
             [[token]]\nname = \"acme\"\ntoken = \"another-token-of-acme\"\nrole = \"write\"\ntenant = \"acme\"\n"
        );
        let access = Access::new(read(&text).unwrap());
        let admit = |shown: &str| access.admit(Some(shown.as_bytes()), String::new);
        let watch = admit("Bearer 0123456789abcdef").unwrap();
        assert_eq!((&*watch.name, watch.role, &watch.tenant), ("watch", Role::Read, &None));
        let acme = admit("bearer another-token-of-acme").unwrap();
        assert_eq!((&*acme.name, acme.role, acme.tenant.as_ref().unwrap().as_str()), ("acme", Role::Write, "acme"));
        assert_eq!(admit("Bearer 0123456789abcdeg"), Err(NotLetIn::WrongToken));
        assert_eq!(admit("Basic 0123456789abcdef"), Err(NotLetIn::WrongToken));
        assert_eq!(admit("B"), Err(NotLetIn::WrongToken));
        assert_eq!(access.admit(None, String::new), Err(NotLetIn::NoToken));
        assert!(access.still_has(&watch));
        access.set(read("[[token]]\nname = \"watch\"\ntoken = \"0123456789abcdef\"\nrole = \"write\"").unwrap());
        assert!(!access.still_has(&watch) && !access.still_has(&acme), "another role is another right");
        access.set(Tokens::default());
        assert_eq!(&*access.admit(None, || "user 0".to_owned()).unwrap().name, "user 0");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_without_its_secrets() {
        let one = |more: &str| format!("[[token]]\nname = \"a\"\n{more}");
        for (text, told) in [
            (String::new(), "tokens.toml has no token: write [[token]] with name, hash (or token) and role"),
            (one("role = \"read\""), "tokens.toml: token 1: write one of hash and token"),
            (
                one("role = \"read\"\ntoken = \"secret\""),
                "tokens.toml: token 1: token: expected 16 to 4096 visible ASCII characters",
            ),
            (
                one("role = \"read\"\nhash = \"secret\""),
                "tokens.toml: token 1: hash: expected \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256",
            ),
            (
                one("role = \"read\"\nhash = \"secret\"").replace("\"a\"", "\"token-file\""),
                "tokens.toml: token 1: name: use 1 to 63 of a-z, 0-9, '-' and '_', and not token-file",
            ),
            (
                one("role = \"read\"\ntoken = \"a-secret-of-some-length\"\ntenant = \"A\""),
                "tokens.toml: token 1: tenant: \"A\" is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'",
            ),
            (one("role = \"admin\""), "tokens.toml:3: expected `read` or `write`"),
        ] {
            assert_eq!(read(&text).unwrap_err(), [told]);
        }
        let twice =
            |other: &str| format!("{}\n{}", one("role = \"read\"\ntoken = \"a-secret-of-some-length\""), one(other));
        let same_name = read(&twice("role = \"read\"\ntoken = \"another-secret-of-some-length\"")).unwrap_err();
        assert_eq!(same_name, ["tokens.toml: there are two tokens with the name a"]);
        let same = twice("role = \"read\"\ntoken = \"a-secret-of-some-length\"").replacen("\"a\"", "\"b\"", 1);
        assert_eq!(read(&same).unwrap_err(), ["tokens.toml: token 2 is another one's, too"]);
        let unknown = read(&one("role = \"read\"\ntoken = \"a-secret-of-some-length\"\nrole_of = 1")).unwrap_err();
        assert!(unknown[0].starts_with("tokens.toml:") && unknown[0].contains("role_of"), "{unknown:?}");
        assert!(!unknown[0].contains("secret"), "{unknown:?}");
        let broken = read("[[token]]\ntoken = \"a-secret-of-some-length").unwrap_err();
        assert!(!broken[0].contains("secret"), "{broken:?}");
    }
}
