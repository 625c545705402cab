//! Claims of a token, and what becomes of them.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

/// Where a claim is: `email`, or `realm.role` for one inside another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

/// What a token says.
pub(crate) type Claims = Map<String, Value>;

// === impl Path ===

impl Path {
    pub(crate) fn new(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The claim as a text: lists of texts with commas between, everything else but texts as JSON. None where it is not there.
    pub(crate) fn text(&self, claims: &Claims) -> Option<String> {
        // A name with a dot in it may be one, as those of `https://…` are.
        let whole = claims.get(&self.0.join("."));
        let found = match whole {
            Some(value) => value,
            None => {
                let (first, rest) = self.0.split_first()?;
                rest.iter().try_fold(claims.get(first)?, |value, name| value.get(name))?
            }
        };
        match found {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(values) if values.iter().all(Value::is_string) => {
                Some(values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
            }
            other => Some(other.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.split('.').any(str::is_empty) {
            return Err(D::Error::custom(format!("{text:?} is no claim: write NAME, or NAME.NAME")));
        }
        Ok(Self(text.split('.').map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_become_texts() {
        let claims = json!({
            "sub": "ada", "age": 36, "realm": { "roles": ["admin", "user"], "mixed": [1, "a"] },
            "https://example.com/plan": "pro", "none": null,
        });
        let claims = claims.as_object().unwrap();
        let text = |path: &str| serde_json::from_value::<Path>(json!(path)).unwrap().text(claims);
        for (path, expected) in [
            ("sub", Some("ada")),
            ("age", Some("36")),
            ("realm.roles", Some("admin,user")),
            ("realm.mixed", Some("[1,\"a\"]")),
            ("https://example.com/plan", Some("pro")),
            ("none", None),
            ("realm.nothing", None),
            ("sub.x", None),
        ] {
            assert_eq!(text(path).as_deref(), expected, "{path}");
        }
    }
}
