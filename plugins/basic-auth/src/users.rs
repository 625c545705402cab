//! The users and their secrets.

use crate::secret::Secret;
use std::collections::BTreeMap;

/// Who may come in, and with which password.
#[derive(Debug, Default)]
pub(crate) struct Users(Vec<(String, Secret)>);

// === impl Users ===

impl Users {
    /// Parses every hash; the error names the user.
    pub(crate) fn parse(users: &BTreeMap<String, String>) -> Result<Self, String> {
        let parse = |(name, hash): (&String, &String)| {
            if !matches!(name.len(), 1..=255) || name.contains(':') {
                return Err(format!("setting `users`: a name has 1 to 255 bytes and no colon: {name:?}"));
            }
            let secret = Secret::parse(hash).map_err(|error| format!("setting `users.{name}`: {error}"))?;
            Ok((name.clone(), secret))
        };
        let users: Vec<_> = users.iter().map(parse).collect::<Result<_, _>>()?;
        if users.is_empty() {
            return Err("setting `users`: nobody is listed".into());
        }
        Ok(Self(users))
    }

    /// Whether this is the user's password. An unknown name takes as long as a known one: it is held against the secret of
    /// another user, always the same for the same name, and the outcome is thrown away.
    pub(crate) fn verify(&self, user: &str, password: &[u8]) -> bool {
        let mut index = None;
        for (position, (name, _)) in self.0.iter().enumerate() {
            if socklet_sdk::same(name.as_bytes(), user.as_bytes()) {
                index = Some(position);
            }
        }
        let Some((_, secret)) = self.0.get(index.unwrap_or_else(|| self.stand_in(user))) else { return false };
        secret.verify(password) & index.is_some()
    }

    fn stand_in(&self, user: &str) -> usize {
        let sum = user.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        sum % self.0.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::{ARGON2, BCRYPT};

    fn users(users: &[(&str, &str)]) -> Result<Users, String> {
        Users::parse(&users.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect())
    }

    #[test]
    fn lets_only_the_right_password_in() {
        let users = users(&[("ann", BCRYPT), ("bob", ARGON2)]).unwrap();
        assert!(users.verify("ann", b"secret"));
        assert!(users.verify("bob", b"secret"));
        assert!(!users.verify("ann", b"wrong"));
    }

    #[test]
    fn never_lets_an_unknown_name_in() {
        let users = users(&[("ann", BCRYPT)]).unwrap();
        for name in ["", "an", "annn", "Ann", "eve"] {
            assert!(!users.verify(name, b"secret"), "{name}");
        }
        assert!(!Users::default().verify("ann", b"secret"));
    }

    #[test]
    fn names_the_user_whose_hash_is_broken() {
        assert!(users(&[("ann", BCRYPT), ("bob", "plain")]).unwrap_err().starts_with("setting `users.bob`: "));
        assert!(users(&[]).unwrap_err().starts_with("setting `users`: "));
        assert!(users(&[("a:b", BCRYPT)]).is_err());
    }
}
