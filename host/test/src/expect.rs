//! What a peer is expected to hear, and how that differs from what it heard.

use crate::{
    conversation::{Payload, hex, quoted},
    world::Arrived,
};
use regex::Regex;
use serde_json::Value;
use std::fmt;

/// What a peer is to hear next.
#[derive(Clone, Debug)]
pub enum Expected {
    /// A text message.
    Text(String),
    /// A text message that a pattern matches, anywhere in it.
    Matching(Regex),
    /// A text message that is this JSON.
    Json(Value),
    /// A text message that is JSON with at least this in it: objects may have more keys.
    JsonWith(Value),
    /// A binary message.
    Binary(Vec<u8>),
    /// Any message.
    Any,
    /// A ping of the plugin's own.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame.
    Close {
        /// The code.
        code: u16,
        /// The reason. None: whatever it is.
        reason: Option<String>,
    },
}

/// What came is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mismatch {
    /// What was expected.
    pub expected: String,
    /// What came.
    pub found: String,
    /// Where they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

/// Differences that are told; the first tell the most.
const TOLD: usize = 10;
/// What is shown of a text around the first difference.
const AROUND: usize = 30;

// === impl Expected ===

impl Expected {
    /// Compares with what came.
    pub(crate) fn check(&self, arrived: Option<&Arrived>) -> Result<(), Mismatch> {
        let differences = match (self, arrived) {
            (Self::Text(expected), Some(Arrived::Payload(Payload::Text(found)))) => texts(expected, found),
            (Self::Matching(pattern), Some(Arrived::Payload(Payload::Text(found)))) => match pattern.is_match(found) {
                true => return Ok(()),
                false => vec!["the pattern does not match".to_owned()],
            },
            (Self::Json(expected), Some(Arrived::Payload(Payload::Text(found)))) => json(expected, found, false),
            (Self::JsonWith(expected), Some(Arrived::Payload(Payload::Text(found)))) => json(expected, found, true),
            (Self::Binary(expected), Some(Arrived::Payload(Payload::Binary(found))))
            | (Self::Ping(expected), Some(Arrived::Payload(Payload::Ping(found))))
            | (Self::Pong(expected), Some(Arrived::Payload(Payload::Pong(found)))) => binaries(expected, found),
            (Self::Any, Some(Arrived::Payload(Payload::Text(_) | Payload::Binary(_)))) => return Ok(()),
            (Self::Close { code, reason }, Some(Arrived::Closed(frame))) => {
                let same = *code == frame.code().get();
                let same_reason = reason.as_ref().is_none_or(|reason| **reason == **frame.reason());
                match (same, same_reason) {
                    (true, true) => return Ok(()),
                    (false, _) => vec!["the codes differ".to_owned()],
                    (true, false) => vec!["the reasons differ".to_owned()],
                }
            }
            _ => return Err(self.mismatch(arrived, vec![])),
        };
        if differences.is_empty() { Ok(()) } else { Err(self.mismatch(arrived, differences)) }
    }

    fn mismatch(&self, arrived: Option<&Arrived>, differences: Vec<String>) -> Mismatch {
        let found = match (self, arrived) {
            (_, None) => "nothing".to_owned(),
            // As what is expected is shown.
            (Self::Json(_) | Self::JsonWith(_), Some(Arrived::Payload(Payload::Text(text)))) => {
                serde_json::from_str::<Value>(text)
                    .map_or_else(|_| format!("text {}", quoted(text)), |value| format!("JSON {value}"))
            }
            (_, Some(arrived)) => arrived.to_string(),
        };
        Mismatch { expected: self.to_string(), found, differences }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "text {}", quoted(text)),
            Self::Matching(pattern) => write!(f, "text that matches {pattern}"),
            Self::Json(value) => write!(f, "JSON {value}"),
            Self::JsonWith(value) => write!(f, "JSON with {value}"),
            Self::Binary(bytes) => Payload::Binary(bytes.clone()).fmt(f),
            Self::Any => f.write_str("a message"),
            Self::Ping(bytes) => Payload::Ping(bytes.clone()).fmt(f),
            Self::Pong(bytes) => Payload::Pong(bytes.clone()).fmt(f),
            Self::Close { code, reason: None } => write!(f, "close {code}"),
            Self::Close { code, reason: Some(reason) } => write!(f, "close {code} {}", quoted(reason)),
        }
    }
}

// === impl Arrived ===

impl fmt::Display for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(Payload::Text(text)) => write!(f, "text {}", quoted(text)),
            Self::Payload(payload) => payload.fmt(f),
            Self::Closed(frame) => write!(f, "close {} {}", frame.code(), quoted(frame.reason())),
        }
    }
}

// === impl Mismatch ===

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into(), differences: vec![] }
    }

    pub(crate) fn because(mut self, difference: impl Into<String>) -> Self {
        self.differences.push(difference.into());
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected  {}\nfound     {}", self.expected, self.found)?;
        self.differences.iter().try_for_each(|difference| write!(f, "\n          {difference}"))
    }
}

/// Where two texts begin to differ.
fn texts(expected: &str, found: &str) -> Vec<String> {
    if expected == found {
        return vec![];
    }
    let at = expected.bytes().zip(found.bytes()).take_while(|(one, other)| one == other).count();
    let at = expected.floor_char_boundary(at).min(found.floor_char_boundary(at));
    let piece = |text: &str| {
        let rest = &text[at..];
        match rest {
            "" => "the end".to_owned(),
            rest => format!("{:?}", &rest[..rest.floor_char_boundary(AROUND)]),
        }
    };
    vec![format!("from character {} on: {}, not {}", found[..at].chars().count() + 1, piece(found), piece(expected))]
}

fn binaries(expected: &[u8], found: &[u8]) -> Vec<String> {
    if expected == found {
        return vec![];
    }
    let at = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
    let piece = |bytes: &[u8]| match &bytes[at..] {
        [] => "the end".to_owned(),
        rest => hex(&rest[..rest.len().min(16)]),
    };
    vec![format!("from byte {} on: {}, not {}", at + 1, piece(found), piece(expected))]
}

fn json(expected: &Value, found: &str, partial: bool) -> Vec<String> {
    match serde_json::from_str::<Value>(found) {
        Ok(found) => {
            let mut differences = Vec::new();
            differ("$", expected, &found, partial, &mut differences);
            if differences.len() > TOLD {
                let more = differences.len() - TOLD;
                differences.truncate(TOLD);
                differences.push(format!("and {more} more"));
            }
            differences
        }
        Err(error) => vec![format!("it is not JSON: {error}")],
    }
}

/// Notes where two values differ, by the path to it.
fn differ(path: &str, expected: &Value, found: &Value, partial: bool, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let path = format!("{path}.{key}");
                match found.get(key) {
                    Some(other) => differ(&path, value, other, partial, differences),
                    None => differences.push(format!("{path} is missing, not {value}")),
                }
            }
            let more = found.iter().filter(|(key, _)| !partial && !expected.contains_key(*key));
            differences.extend(more.map(|(key, value)| format!("{path}.{key} is {value}, and was not expected")));
        }
        (Value::Array(expected), Value::Array(found)) => {
            for (index, (value, other)) in expected.iter().zip(found).enumerate() {
                differ(&format!("{path}[{index}]"), value, other, partial, differences);
            }
            if expected.len() != found.len() {
                differences.push(format!("{path} has {} elements, not {}", found.len(), expected.len()));
            }
        }
        (Value::Number(one), Value::Number(other))
            if (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64() => {}
        (expected, found) if expected == found => {}
        (expected, found) => differences.push(format!("{path} is {found}, not {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> Arrived {
        Arrived::Payload(Payload::Text(text.into()))
    }

    #[test]
    fn texts_differ_at_a_character() {
        let mismatch = Expected::Text("grüße an alle".into()).check(Some(&text("grüße an niemand"))).unwrap_err();
        assert_eq!(mismatch.differences, [r#"from character 10 on: "niemand", not "alle""#]);
        let mismatch = Expected::Text("ab".into()).check(Some(&text("a"))).unwrap_err();
        assert_eq!(mismatch.differences, [r#"from character 2 on: the end, not "b""#]);
        let mismatch = Expected::Text("ä".into()).check(Some(&text("ö"))).unwrap_err();
        assert_eq!(mismatch.differences, [r#"from character 1 on: "ö", not "ä""#]);
    }

    #[test]
    fn json_differs_at_a_path() {
        let expected = json!({ "a": [1, { "b": 2 }], "c": 1.0 });
        let check = |expected: Expected, found: &str| expected.check(Some(&text(found))).map_err(|m| m.differences);
        let same = r#"{"c":1,"a":[1,{"b":2}]}"#;
        assert_eq!(check(Expected::Json(expected.clone()), same), Ok(()));
        let other = r#"{"c":1,"a":[1,{"b":3}],"d":null}"#;
        let differences = vec!["$.a[1].b is 3, not 2".to_owned(), "$.d is null, and was not expected".to_owned()];
        assert_eq!(check(Expected::Json(expected.clone()), other), Err(differences));
        let more = r#"{"c":1,"a":[1,{"b":2,"x":0}],"d":null}"#;
        assert_eq!(check(Expected::JsonWith(expected.clone()), more), Ok(()));
        assert!(check(Expected::Json(expected), "no").unwrap_err()[0].starts_with("it is not JSON"));
    }

    #[test]
    fn other_kinds_are_told_as_they_are() {
        let mismatch = Expected::Binary(vec![1, 255]).check(Some(&text("hi"))).unwrap_err();
        assert_eq!(mismatch.to_string(), "expected  binary 01ff\nfound     text \"hi\"");
        let mismatch = Expected::Close { code: 1000, reason: None }.check(None).unwrap_err();
        assert_eq!(mismatch.to_string(), "expected  close 1000\nfound     nothing");
        let mismatch =
            Expected::Binary(vec![1, 2]).check(Some(&Arrived::Payload(Payload::Binary(vec![1, 3])))).unwrap_err();
        assert_eq!(mismatch.differences, ["from byte 2 on: 03, not 02"]);
    }
}
