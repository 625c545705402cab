//! Header fields that are lists of tokens, RFC 9110 section 5.6.

use http::{HeaderMap, HeaderName};

/// The elements of every field of that name, in order, without white space; empty elements do not count (section
/// 5.6.1.2).
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|element| element.trim_ascii())
        .filter(|element| !element.is_empty())
}

/// Whether one of the elements is this word, in whatever case.
pub(super) fn has_element(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(word.as_bytes()))
}

/// The bytes as a token, section 5.6.2.
pub(super) fn token(bytes: &[u8]) -> Option<&str> {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if bytes.is_empty() || !bytes.iter().all(valid) {
        return None;
    }
    str::from_utf8(bytes).ok()
}
