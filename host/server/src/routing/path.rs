//! The paths that a route serves.

use regex::{Regex, RegexBuilder};
use std::{collections::HashSet, fmt};

/// The paths that a route serves. The default serves every path, after all others.
#[derive(Clone, Debug, Default)]
pub struct PathPattern {
    source: String,
    shape: Shape,
}

/// Not a pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern of paths: {problem}")]
pub struct InvalidPath {
    pattern: String,
    problem: String,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Shape {
    #[default]
    Everything,
    /// The segments after the first slash, and the name of what follows them: then it is a prefix.
    Segments(Vec<Segment>, Option<String>),
    Regex(Box<Regex>),
}

/// What is between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// One or more characters between two literals, which may be empty.
    Capture {
        before: String,
        name: String,
        after: String,
    },
}

/// The largest compiled regular expression in bytes.
const MAX_REGEX: usize = 1024 * 1024;

// === impl PathPattern ===

impl PathPattern {
    /// A pattern of decoded paths: `/exact`; `/rooms/{room}` and `/rooms/{room}.json`, with captures that are not empty
    /// and end at a slash; `/files/{*rest}`, a prefix that captures what follows it, which may be empty. `{{` and `}}`
    /// stand for braces. A slash at the end makes a difference.
    ///
    /// # Errors
    ///
    /// Says what is wrong and what would be right.
    pub fn parse(pattern: &str) -> Result<Self, InvalidPath> {
        let invalid = |problem: &str| InvalidPath { pattern: pattern.to_owned(), problem: problem.to_owned() };
        let Some(path) = pattern.strip_prefix('/') else {
            return Err(invalid("it starts with a slash, such as /rooms/{room}"));
        };
        if path.contains(['?', '#', '\0']) {
            return Err(invalid("it is compared with the path alone, without a query"));
        }
        let encoded =
            |(at, _)| path.as_bytes()[at..].iter().skip(1).take(2).filter(|b| b.is_ascii_hexdigit()).count() == 2;
        if path.match_indices('%').any(encoded) {
            return Err(invalid(
                "paths are decoded before they are compared: write the character itself instead of %…",
            ));
        }
        let mut pieces: Vec<&str> = path.split('/').collect();
        let rest = match pieces.last() {
            Some(last) if last.starts_with("{*") => {
                let name = last.strip_prefix("{*").and_then(|name| name.strip_suffix('}'));
                Some(name.ok_or_else(|| invalid("nothing stands beside {*rest} in the last segment"))?.to_owned())
            }
            _ => None,
        };
        if rest.is_some() {
            pieces.pop();
        }
        let segments: Vec<_> = pieces.iter().map(|piece| segment(piece)).collect::<Result<_, _>>().map_err(&invalid)?;
        let shape = Shape::Segments(segments, rest);
        let mut seen = HashSet::new();
        for name in names(&shape) {
            let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(invalid("a capture's name has letters, digits and underscores, and no digit first"));
            }
            if !seen.insert(name) {
                return Err(invalid("two captures have the same name"));
            }
        }
        Ok(Self { source: pattern.to_owned(), shape })
    }

    /// A regular expression that fits the whole decoded path. Its named groups are captures.
    ///
    /// # Errors
    ///
    /// When it is not a regular expression, or becomes larger than 1 MiB when it is compiled.
    pub fn regex(pattern: &str) -> Result<Self, InvalidPath> {
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX).build();
        // Alone first: what is not an expression by itself must not become one inside the group.
        let regex = compile(pattern).and_then(|_| compile(&format!(r"\A(?:{pattern})\z")));
        let regex = regex.map_err(|error| InvalidPath { pattern: pattern.to_owned(), problem: error.to_string() })?;
        Ok(Self { source: pattern.to_owned(), shape: Shape::Regex(Box::new(regex)) })
    }

    /// The names of its captures, in order. Those of a regular expression are not there in every match.
    pub fn captures(&self) -> Vec<&str> {
        names(&self.shape)
    }

    /// The name of the capture that a prefix ends with.
    pub(crate) fn rest(&self) -> Option<&str> {
        match &self.shape {
            Shape::Segments(_, rest) => rest.as_deref(),
            Shape::Everything | Shape::Regex(_) => None,
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl PartialEq for PathPattern {
    /// Whether both were written alike.
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && std::mem::discriminant(&self.shape) == std::mem::discriminant(&other.shape)
    }
}

impl Eq for PathPattern {}

impl PathPattern {
    /// The pattern as it was written; none where it is every path.
    pub(crate) fn template(&self) -> Option<&str> {
        Some(self.source.as_str()).filter(|_| !matches!(self.shape, Shape::Everything))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Everything => f.write_str("every path"),
            Shape::Segments(..) | Shape::Regex(_) => f.write_str(&self.source),
        }
    }
}

fn names(shape: &Shape) -> Vec<&str> {
    match shape {
        Shape::Everything => Vec::new(),
        Shape::Segments(segments, rest) => {
            let names = segments.iter().filter_map(|segment| match segment {
                Segment::Literal(_) => None,
                Segment::Capture { name, .. } => Some(name.as_str()),
            });
            names.chain(rest.as_deref()).collect()
        }
        Shape::Regex(regex) => regex.capture_names().flatten().collect(),
    }
}

fn segment(piece: &str) -> Result<Segment, &'static str> {
    let mut literal = String::new();
    let mut capture: Option<(String, String)> = None;
    let mut rest = piece;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err("a } closes nothing; write }} for the character itself");
        }
        let (name, after) = rest.split_once('}').ok_or("a { is not closed; write {{ for the character itself")?;
        if name.starts_with('*') {
            return Err("{*rest} is the whole last segment, such as /files/{*rest}");
        }
        if capture.is_some() {
            return Err("there is at most one capture between two slashes");
        }
        capture = Some((std::mem::take(&mut literal), name.to_owned()));
        rest = after;
    }
    literal.push_str(rest);
    Ok(match capture {
        None => Segment::Literal(literal),
        Some((before, name)) => Segment::Capture { before, name, after: literal },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.into())
    }

    fn capture(before: &str, name: &str, after: &str) -> Segment {
        Segment::Capture { before: before.into(), name: name.into(), after: after.into() }
    }

    #[test]
    fn patterns() {
        for (text, segments, rest) in [
            ("/", vec![literal("")], None),
            ("/a", vec![literal("a")], None),
            ("/a/", vec![literal("a"), literal("")], None),
            ("/a//b", vec![literal("a"), literal(""), literal("b")], None),
            ("/rooms/{room}", vec![literal("rooms"), capture("", "room", "")], None),
            ("/a{b}c/{_d1}", vec![capture("a", "b", "c"), capture("", "_d1", "")], None),
            ("/{{a}}/{{{b}}}", vec![literal("{a}"), capture("{", "b", "}")], None),
            ("/100%/é", vec![literal("100%"), literal("é")], None),
            ("/{*rest}", vec![], Some("rest")),
            ("/files/{*rest}", vec![literal("files")], Some("rest")),
            ("/{tenant}/{*rest}", vec![capture("", "tenant", "")], Some("rest")),
            ("/a*b", vec![literal("a*b")], None),
        ] {
            let pattern = PathPattern::parse(text).unwrap();
            let Shape::Segments(got, got_rest) = pattern.shape() else { panic!() };
            assert_eq!((got, got_rest.as_deref()), (&segments, rest), "{text}");
            assert_eq!(pattern.to_string(), text);
        }
        assert_eq!(PathPattern::parse("/{a}/x{b}/{*c}").unwrap().captures(), ["a", "b", "c"]);
        assert_eq!(PathPattern::default().to_string(), "every path");
        assert!(PathPattern::default().captures().is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_pattern() {
        for (text, problem) in [
            ("", "starts with a slash"),
            ("a", "starts with a slash"),
            ("/a?b=c", "without a query"),
            ("/a#b", "without a query"),
            ("/a%20b", "write the character itself"),
            ("/%C3%A9", "write the character itself"),
            ("/{a", "not closed"),
            ("/{{a}", "closes nothing"),
            ("/a}", "closes nothing"),
            ("/{a/b}", "not closed"),
            ("/{}", "letters, digits"),
            ("/{1a}", "letters, digits"),
            ("/{a-b}", "letters, digits"),
            ("/{*}", "letters, digits"),
            ("/{*a b}", "letters, digits"),
            ("/{a}{b}", "at most one capture"),
            ("/{a}-{b}", "at most one capture"),
            ("/{a}/{a}", "same name"),
            ("/{a}/{*a}", "same name"),
            ("/{*rest}/x", "whole last segment"),
            ("/x{*rest}", "whole last segment"),
            ("/{*rest}x", "nothing stands beside"),
        ] {
            let error = PathPattern::parse(text).expect_err(text).to_string();
            assert!(error.contains(problem) && error.contains(&format!("{text:?}")), "{text:?}: {error}");
        }
    }

    #[test]
    fn regular_expressions() {
        let pattern = PathPattern::regex(r"/(?<year>\d{4})/(\w+)/(?P<page>.*)").unwrap();
        assert_eq!(pattern.captures(), ["year", "page"]);
        assert_eq!(pattern.to_string(), r"/(?<year>\d{4})/(\w+)/(?P<page>.*)");
        for text in ["(", "a)|(b", r"\w{500}{500}", "(?<a>x)(?<a>y)", "(?=x)"] {
            assert!(PathPattern::regex(text).is_err(), "{text}");
        }
    }
}
