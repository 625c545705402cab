//! A hashed password: bcrypt or argon2.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;

/// A hash that was parsed once and can be verified against.
#[derive(Debug)]
pub(crate) enum Secret {
    Bcrypt(String),
    Argon2(Box<PasswordHash>),
}

// === impl Secret ===

impl Secret {
    /// Parses `$2a$`, `$2b$` or `$2y$` for bcrypt, and PHC strings of argon2.
    pub(crate) fn parse(hash: &str) -> Result<Self, String> {
        if hash.starts_with("$argon2") {
            let parsed = PasswordHash::new(hash).map_err(|error| format!("not a PHC string: {error}"))?;
            if parsed.hash.is_none() || parsed.salt.is_none() {
                return Err("a PHC string without salt or hash".into());
            }
            return Ok(Self::Argon2(Box::new(parsed)));
        }
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            return Err("neither bcrypt ($2b$...) nor argon2 ($argon2id$...)".into());
        }
        let parts: bcrypt::HashParts = hash.parse().map_err(|error: bcrypt::BcryptError| error.to_string())?;
        if !(4..=31).contains(&parts.get_cost()) {
            return Err("the cost of bcrypt is 4 to 31".into());
        }
        Ok(Self::Bcrypt(hash.to_owned()))
    }

    /// Whether this is the password; both libraries compare in constant time.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Argon2(hash) => Argon2::default().verify_password(password, hash.as_ref()).is_ok(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    // Of "secret", made by the bcrypt and argon2-cffi packages of Python.
    pub(crate) const BCRYPT: &str = "$2b$04$zI.s55dh/UwZL2g0x/UoM.hGb8nuStbprW6uYhKP9Bs56mc0Ur8F2";
    pub(crate) const ARGON2: &str =
        "$argon2id$v=19$m=64,t=1,p=1$6A+2eG2WOXaO1cp19+IZ4Q$cSdlVFfkfsMRXJ63MsAZuRI3S9vuM3Q06ShLdR8Zn3E";

    #[test]
    fn verifies_both_kinds() {
        for hash in [BCRYPT, ARGON2] {
            let secret = Secret::parse(hash).unwrap();
            assert!(secret.verify(b"secret"), "{hash}");
            assert!(!secret.verify(b"Secret"), "{hash}");
            assert!(!secret.verify(b""), "{hash}");
        }
    }

    #[test]
    fn refuses_what_is_no_hash() {
        for hash in
            ["", "secret", "$2b$99$abc", "$2b$", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ", "$1$a$b"]
        {
            assert!(Secret::parse(hash).is_err(), "{hash}");
        }
    }
}
