//! The token that operators show to the admin API.

use http::HeaderValue;
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
        file.by_ref().take(2 * LONGEST as u64).read_to_end(&mut bytes).map_err(failed)?;
        Self::parse(&bytes).ok_or_else(|| TokenError::NotAToken(path.to_owned()))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// Whether this is it. How long that takes tells its length and nothing else.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }

    /// The header field that shows it.
    pub(crate) fn authorization(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).expect("a token is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
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
    fn a_token_is_long_visible_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path)
        };
        let token = read("  0123456789abcdef\n", 0o600).unwrap();
        assert!(token.is(b"0123456789abcdef") && !token.is(b"0123456789abcdeF") && !token.is(b""));
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
