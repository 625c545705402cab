//! Percent-decodes a path, RFC 3986 section 2.1.

use std::borrow::Cow;

/// A path that cannot be decoded; the request is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEncoding {
    /// A `%` without two hexadecimal digits.
    #[error("the path has a percent sign without two hexadecimal digits")]
    Percent,
    /// What is decoded is not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// A NUL.
    #[error("the path has a NUL")]
    Nul,
}

/// The path as routes see it. Decoded once; `+` stays, dot segments and empty segments stay.
///
/// # Errors
///
/// When a `%` stands without two hexadecimal digits, or the result is not UTF-8 or has a NUL.
pub(crate) fn decode_path(path: &str) -> Result<Cow<'_, str>, InvalidEncoding> {
    let decoded = if path.contains('%') { Cow::Owned(decode(path)?) } else { Cow::Borrowed(path) };
    if decoded.contains('\0') { Err(InvalidEncoding::Nul) } else { Ok(decoded) }
}

fn decode(path: &str) -> Result<String, InvalidEncoding> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(InvalidEncoding::Percent),
            },
            byte => byte,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| InvalidEncoding::NotUtf8)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("/a/b", Ok("/a/b")),
            ("/a%20b", Ok("/a b")),
            ("/%c3%A9", Ok("/é")),
            ("/é", Ok("/é")),
            ("/a%2Fb", Ok("/a/b")),
            ("/%2e%2E/../x", Ok("/../../x")),
            ("/%2541", Ok("/%41")),
            ("/a+b", Ok("/a+b")),
            ("*", Ok("*")),
            ("", Ok("")),
            ("/%", Err(InvalidEncoding::Percent)),
            ("/%4", Err(InvalidEncoding::Percent)),
            ("/%4x", Err(InvalidEncoding::Percent)),
            ("/%x4", Err(InvalidEncoding::Percent)),
            ("/%+1", Err(InvalidEncoding::Percent)),
            ("/%%41", Err(InvalidEncoding::Percent)),
            ("/%ff", Err(InvalidEncoding::NotUtf8)),
            ("/%c3", Err(InvalidEncoding::NotUtf8)),
            ("/%ed%a0%80", Err(InvalidEncoding::NotUtf8)),
            ("/a%00b", Err(InvalidEncoding::Nul)),
            ("/a\0b", Err(InvalidEncoding::Nul)),
        ] {
            assert_eq!(decode_path(path), expected.map(Cow::Borrowed), "{path:?}");
        }
        assert!(matches!(decode_path("/plain"), Ok(Cow::Borrowed(_))));
    }
}
