//! Which connections share an instance.

use socklet_core::UpgradeRequest;
use std::{fmt, str::FromStr};

/// Which connections share an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InstancePolicy {
    /// Nobody: an instance for each connection.
    #[default]
    Connection,
    /// All connections of the route.
    Shared,
    /// The connections with the same key.
    Key(KeyTemplate),
    /// Nobody and nothing: an instance for each event, which is gone after it.
    Event,
}

/// Makes keys of what the route's path pattern captured: `{room}`, or several as in `{tenant}/{room}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTemplate {
    text: String,
    captures: Vec<String>,
}

/// A policy or key that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// Not a policy.
    #[error("{0:?} is not an instance policy: use connection, shared, event, or key = \"{{capture}}\"")]
    Policy(String),
    /// Braces that do not match, or nothing between them.
    #[error("{0:?} is not a key: write the names of captures in braces, as in \"{{room}}\"")]
    Key(String),
    /// The same key for everybody.
    #[error("the key {0:?} has no capture, so every connection would share one instance: use the policy shared")]
    Constant(String),
}

/// Names one instance of a route: the captured values. Nobody's values run into one another.
pub(crate) type Key = Box<[String]>;

// === impl InstancePolicy ===

impl FromStr for InstancePolicy {
    type Err = InvalidPolicy;

    fn from_str(s: &str) -> Result<Self, InvalidPolicy> {
        match s.trim() {
            "connection" => Ok(Self::Connection),
            "shared" => Ok(Self::Shared),
            "event" => Ok(Self::Event),
            other => {
                let key = other.strip_prefix("key").map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
                let key = key.ok_or_else(|| InvalidPolicy::Policy(s.to_owned()))?;
                KeyTemplate::parse(key.trim().trim_matches('"')).map(Self::Key)
            }
        }
    }
}

impl fmt::Display for InstancePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("connection"),
            Self::Shared => f.write_str("shared"),
            Self::Event => f.write_str("event"),
            Self::Key(template) => write!(f, "key = {template}"),
        }
    }
}

// === impl KeyTemplate ===

impl KeyTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// When braces do not match, a name is empty, or there is no capture at all.
    pub fn parse(text: &str) -> Result<Self, InvalidPolicy> {
        let malformed = || InvalidPolicy::Key(text.to_owned());
        let mut captures = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(malformed)?;
            if before.contains('}') || name.is_empty() || name.contains('{') {
                return Err(malformed());
            }
            captures.push(name.to_owned());
            rest = after;
        }
        if rest.contains('}') {
            return Err(malformed());
        }
        if captures.is_empty() {
            return Err(InvalidPolicy::Constant(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), captures })
    }

    /// The captures that it needs, in order; the route's path pattern must have them all.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().map(String::as_str)
    }

    /// The key of a request, or the capture that it lacks.
    pub(crate) fn key(&self, request: &UpgradeRequest) -> Result<Key, &str> {
        self.captures.iter().map(|name| request.capture(name).map(str::to_owned).ok_or(name.as_str())).collect()
    }
}

impl FromStr for KeyTemplate {
    type Err = InvalidPolicy;

    fn from_str(s: &str) -> Result<Self, InvalidPolicy> {
        Self::parse(s)
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_parse() {
        assert_eq!("connection".parse(), Ok(InstancePolicy::Connection));
        assert_eq!("shared".parse(), Ok(InstancePolicy::Shared));
        assert_eq!("event".parse(), Ok(InstancePolicy::Event));
        let Ok(InstancePolicy::Key(key)) = "key = {tenant}/{room}".parse() else { panic!("a key") };
        assert_eq!(key.captures().collect::<Vec<_>>(), ["tenant", "room"]);
        assert_eq!("key=\"{room}\"".parse::<InstancePolicy>().unwrap().to_string(), "key = {room}");
        for bad in ["", "events", "key", "key =", "key = {}", "key = {a", "key = a}", "key = {{a}}", "key = room"] {
            assert!(bad.parse::<InstancePolicy>().is_err(), "{bad:?}");
        }
    }
}
