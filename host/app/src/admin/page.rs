//! Lists in pages: so many entries, and where the next page begins.

use super::call::parsed;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use socklet_core::TenantName;
use std::borrow::Cow;

/// The entries of a page where nobody says how many.
const USUAL: u16 = 100;
/// The most.
const MOST: u16 = 1000;

/// How many entries a page has: 1 to 1000.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u16")]
pub(super) struct Limit(u16);

/// Which part of a list is asked for, where its entries belong to tenants.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTenant {
    /// Those of this tenant.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    pub(super) tenant: Option<TenantName>,
    /// What the page before said is `next`.
    pub(super) cursor: Option<String>,
    /// The most entries of the page.
    #[serde(default)]
    pub(super) limit: Limit,
}

/// A name, for schemas.
#[derive(Debug)]
pub(super) struct Name;

/// What a plugin is called, for schemas.
#[derive(Debug)]
pub(super) struct PluginRef;

/// A connection's id, for schemas.
#[derive(Debug)]
pub(super) struct Id;

// === impl Limit ===

impl Limit {
    pub(super) fn get(self) -> usize {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl TryFrom<u16> for Limit {
    type Error = String;

    fn try_from(limit: u16) -> Result<Self, String> {
        if (1..=MOST).contains(&limit) { Ok(Self(limit)) } else { Err(format!("limit: expected 1 to {MOST}")) }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL })
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9_-]{1,63}$" })
    }
}

impl JsonSchema for PluginRef {
    fn schema_name() -> Cow<'static, str> {
        "PluginRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([a-z0-9_-]{1,63}/)?[a-z0-9_-]{1,63}$" })
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "ConnectionId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": (1_u64 << 53) - 1 })
    }
}

/// A page of a list that is in order: the entries behind `cursor`, and the cursor of the next page where there is one.
pub(super) fn page<T>(
    all: impl IntoIterator<Item = T>,
    cursor: Option<&str>,
    limit: Limit,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let behind = |entry: &T| cursor.is_none_or(|cursor| key(entry).as_str() > cursor);
    let mut entries: Vec<_> = all.into_iter().filter(behind).collect();
    entries.sort_by_cached_key(&key);
    let more = entries.len() > limit.get();
    entries.truncate(limit.get());
    let next = entries.last().filter(|_| more).map(key);
    (entries, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_all_entries_once() {
        let all = ["d", "a", "c", "b", "e"];
        let (mut cursor, mut seen) = (None, Vec::new());
        for _ in 0..3 {
            let (entries, next) = page(all, cursor.as_deref(), Limit(2), |entry| (*entry).to_owned());
            seen.push(entries);
            cursor = next;
        }
        assert_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        assert_eq!(cursor, None);
        assert!(serde_json::from_str::<Limit>("0").is_err() && serde_json::from_str::<Limit>("1000").is_ok());
    }
}
