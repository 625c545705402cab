//! The header fields that a route needs.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header field that a request must carry exactly once, with exactly this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    name: HeaderName,
    value: HeaderValue,
}

/// Not a header field that a route can ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Not a name.
    #[error("{0:?} is not the name of a header field: use letters, digits and hyphens, such as x-version")]
    Name(String),
    /// Not a value.
    #[error("the value for header field {0:?} has a control character, or white space around it")]
    Value(String),
    /// Two values for one name.
    #[error("header field {0:?} is asked for twice: a request has to carry it exactly once")]
    Twice(String),
}

impl HeaderCondition {
    /// A condition. The name may be in any case, the value is compared exactly.
    ///
    /// # Errors
    ///
    /// When no request could carry such a field.
    pub fn new(name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidHeader::Name(name.to_owned()))?;
        if value.trim_matches([' ', '\t']) != value {
            return Err(InvalidHeader::Value(name.to_owned()));
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| InvalidHeader::Value(name.to_owned()))?;
        Ok(Self { name: parsed, value })
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn value(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

/// The values of these fields, one after the other; none when one of them is missing or there more than once: nobody
/// could tell which of the values counts.
pub(super) fn key<'a>(headers: &HeaderMap, names: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    for name in names {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        add(&mut key, value.as_bytes());
    }
    Some(key)
}

/// The values that a route asks for, as [`key`] has them.
pub(super) fn wanted<'a>(conditions: impl Iterator<Item = &'a HeaderCondition>) -> Vec<u8> {
    let mut key = Vec::new();
    for condition in conditions {
        add(&mut key, condition.value());
    }
    key
}

/// A field's value cannot hold a line feed: it ends there.
fn add(key: &mut Vec<u8>, value: &[u8]) {
    key.extend_from_slice(value);
    key.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let condition = HeaderCondition::new("X-Version", "Zwei é").unwrap();
        assert_eq!((condition.name(), condition.value()), ("x-version", "Zwei é".as_bytes()));
        for (name, value, expected) in [
            ("", "v", InvalidHeader::Name(String::new())),
            ("a b", "v", InvalidHeader::Name("a b".into())),
            ("a:", "v", InvalidHeader::Name("a:".into())),
            ("a", "v\n", InvalidHeader::Value("a".into())),
            ("a", "v\0", InvalidHeader::Value("a".into())),
            ("a", " v", InvalidHeader::Value("a".into())),
            ("a", "v\t", InvalidHeader::Value("a".into())),
        ] {
            assert_eq!(HeaderCondition::new(name, value), Err(expected));
        }
    }
}
