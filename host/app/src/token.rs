//! The token that operators show to the admin API.

use http::HeaderValue;
use sha2::{Digest, Sha256};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use subtle::ConstantTimeEq;

/// A secret of 16 to 4,096 visible ASCII characters.
#[derive(Clone)]
pub(crate) struct Token(Box<str>);

/// The SHA-256 of a token: what is kept of those that others have. It needs no salt and no slow function, as a password's hash would: a
/// token is random, and there are too many to try.
#[derive(Clone, Copy, Eq)]
pub(crate) struct TokenHash([u8; 32]);

/// Why a file has no token. Never repeats what is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    #[error("failed to read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("others than its owner can read or write {path}: chmod 600 {path}", path = .0.display())]
    NotPrivate(PathBuf),
    #[error("{} has no token: 16 to 4096 visible ASCII characters, on one line", .0.display())]
    NotAToken(PathBuf),
}

const SHORTEST: usize = 16;
const LONGEST: usize = 4096;
/// The permissions of group and others to read and write.
const OTHERS: u32 = 0o066;

// === impl Token ===

impl Token {
    /// Reads a file that has a token and nothing else but white space around it.
    pub(crate) fn read(path: &Path) -> Result<Self, TokenError> {
        let bytes = read_private(path, 2 * LONGEST as u64)?;
        let text = std::str::from_utf8(&bytes).ok().map(str::trim_ascii);
        text.and_then(Self::parse).ok_or_else(|| TokenError::NotAToken(path.to_owned()))
    }

    /// A token, if this is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// What is kept of it where it is compared.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }

    /// The header field that shows it.
    pub(crate) fn authorization(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).expect("a token is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

// === impl TokenHash ===

impl TokenHash {
    /// The hash of what somebody shows.
    pub(crate) fn of(shown: &[u8]) -> Self {
        Self(Sha256::digest(shown).into())
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64)?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl PartialEq for TokenHash {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

/// What a file has in it that only its owner can read and write: `max` bytes at most.
///
/// # Errors
///
/// When it is not there, cannot be read, or is not private.
pub(crate) fn read_private(path: &Path, max: u64) -> Result<Vec<u8>, TokenError> {
    // Asked first: to open a pipe would wait.
    if !path.is_file() {
        return Err(TokenError::Missing(path.to_owned()));
    }
    let failed = |source| TokenError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & OTHERS != 0 {
        return Err(TokenError::NotPrivate(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_hash_is_what_sha256sum_prints() {
        let printed = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        let hash = TokenHash::parse(printed).unwrap();
        assert!(hash == TokenHash::of(b"0123456789abcdef") && hash != TokenHash::of(b"0123456789abcdeg"));
        assert!(TokenHash::parse(&printed.to_ascii_uppercase().replace("SHA", "sha")).is_some());
        assert!(!format!("{hash:?}").contains("9f9f"));
        for bad in ["", "sha256:", "9f9f", "sha256:9f", &printed.replace('9', "x"), &printed.replace("9f", "+f")] {
            assert!(TokenHash::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_long_visible_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path)
        };
        let token = read("  0123456789abcdef\n", 0o600).unwrap();
        let is = |shown: &[u8]| token.hash() == TokenHash::of(shown);
        assert!(is(b"0123456789abcdef") && !is(b"0123456789abcdeF") && !is(b""));
        assert!(token.authorization().is_sensitive());
        assert!(!format!("{token:?}").contains("0123"));
        assert!(read("0123456789abcdef", 0o400).is_ok());
        for mode in [0o640, 0o604, 0o620, 0o644] {
            assert!(matches!(read("0123456789abcdef", mode), Err(TokenError::NotPrivate(_))), "{mode:o}");
        }
        for bad in ["", "0123456789abcde", "01234567 89abcdef", "0123456789\nabcdef", "0123456789abcdefé"] {
            let error = read(bad, 0o600).unwrap_err();
            assert!(matches!(error, TokenError::NotAToken(_)), "{bad}");
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
        assert!(matches!(read(&"x".repeat(4097), 0o600), Err(TokenError::NotAToken(_))));
        assert!(matches!(Token::read(folder.path()), Err(TokenError::Missing(_))));
    }
}
