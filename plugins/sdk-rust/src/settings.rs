//! Typed settings: `[plugin.NAME.settings]` of the host's configuration, read through `wasi:config/store`.
//!
//! The store holds text. Where a string is wanted it is taken as it is; where anything else is wanted it is parsed as JSON.

use crate::bindings::behavior_plugin::wasi::config::store;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// Why settings could not be read; the text names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

struct Pairs<I> {
    pairs: I,
    value: Option<(String, String)>,
}

struct Text(String);

/// All settings, as one structure. With `#[serde(deny_unknown_fields)]` a key that the plugin does not know is an error.
///
/// # Errors
///
/// When a key is missing, unknown or of another type, and when the store cannot be read.
pub fn settings<T: DeserializeOwned>() -> Result<T, SettingsError> {
    settings_from(store::get_all().map_err(SettingsError::store)?)
}

/// One setting; `None` when it is not set.
///
/// # Errors
///
/// When the value is of another type, and when the store cannot be read.
pub fn setting<T: DeserializeOwned>(key: &str) -> Result<Option<T>, SettingsError> {
    let value = store::get(key).map_err(SettingsError::store)?;
    value.map(|text| T::deserialize(Text(text)).map_err(|error| error.at(key))).transpose()
}

/// Settings from elsewhere, read as the host's are: for a plugin's own tests.
///
/// # Errors
///
/// As [`settings`].
pub fn settings_from<T, I>(pairs: I) -> Result<T, SettingsError>
where
    T: DeserializeOwned,
    I: IntoIterator<Item = (String, String)>,
{
    T::deserialize(Pairs { pairs: pairs.into_iter(), value: None })
}

// === impl SettingsError ===

impl SettingsError {
    fn store(error: store::Error) -> Self {
        match error {
            store::Error::Upstream(text) | store::Error::Io(text) => Self(format!("cannot read settings: {text}")),
        }
    }

    fn at(self, key: &str) -> Self {
        Self(format!("setting `{key}`: {}", self.0))
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for SettingsError {}

impl serde::de::Error for SettingsError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("setting `{field}`: unknown, the known ones are {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("setting `{field}`: missing"))
    }
}

// === impl Pairs ===

impl<'de, I: Iterator<Item = (String, String)>> Deserializer<'de> for Pairs<I> {
    type Error = SettingsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, I: Iterator<Item = (String, String)>> MapAccess<'de> for Pairs<I> {
    type Error = SettingsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, SettingsError> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        self.value = Some((key.clone(), value));
        let key: StringDeserializer<SettingsError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, SettingsError> {
        let (key, value) = self.value.take().expect("a value is asked for after its key");
        seed.deserialize(Text(value)).map_err(|error| error.at(&key))
    }
}

// === impl Text ===

impl Text {
    fn json(&self) -> Result<Value, SettingsError> {
        serde_json::from_str(&self.0).map_err(|error| SettingsError(format!("{error} of `{}`", self.shown())))
    }

    /// The value as far as a log line should show it.
    fn shown(&self) -> &str {
        &self.0[..self.0.floor_char_boundary(40)]
    }
}

macro_rules! from_json {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, SettingsError> {
            self.json()?.$method($($argument,)* visitor).map_err(SettingsError::custom)
        })*
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = SettingsError;

    from_json! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128() deserialize_f32()
        deserialize_f64() deserialize_unit() deserialize_unit_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.json() {
            Ok(value) => value.deserialize_any(visitor).map_err(SettingsError::custom),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_byte_buf(self.0.into_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_byte_buf(self.0.into_bytes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        if self.0.starts_with('{') {
            return self.json()?.deserialize_enum(name, variants, visitor).map_err(SettingsError::custom);
        }
        let variant: StringDeserializer<SettingsError> = self.0.into_deserializer();
        variant.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        visitor.visit_unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow { by: u32 },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        limit: u32,
        #[serde(default)]
        users: BTreeMap<String, String>,
        mode: Option<Mode>,
        #[serde(default)]
        any: Option<serde_json::Value>,
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        settings_from(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
            .map_err(|error: SettingsError| error.to_string())
    }

    #[test]
    fn takes_strings_as_they_are_and_the_rest_as_json() {
        let users = r#"{"ann":"1"}"#;
        let settings =
            read(&[("name", "42"), ("limit", "42"), ("users", users), ("mode", "fast"), ("any", "x y")]).unwrap();
        assert_eq!(settings.name, "42");
        assert_eq!(settings.limit, 42);
        assert_eq!(settings.users["ann"], "1");
        assert_eq!(settings.mode, Some(Mode::Fast));
        assert_eq!(settings.any, Some("x y".into()));
    }

    #[test]
    fn reads_enums_with_fields() {
        let settings = read(&[("name", ""), ("limit", "0"), ("mode", r#"{"slow":{"by":3}}"#)]).unwrap();
        assert_eq!(settings.mode, Some(Mode::Slow { by: 3 }));
    }

    #[test]
    fn errors_name_the_key() {
        let error = |pairs: &[(&str, &str)]| read(pairs).unwrap_err();
        assert!(error(&[("limit", "many"), ("name", "")]).starts_with("setting `limit`: "));
        assert!(error(&[("limit", "-1"), ("name", "")]).starts_with("setting `limit`: "));
        assert!(error(&[("limit", "1 2"), ("name", "")]).starts_with("setting `limit`: "));
        assert_eq!(error(&[("limit", "1")]), "setting `name`: missing");
        assert!(error(&[("nmae", "x")]).starts_with("setting `nmae`: unknown, the known ones are name, limit"));
        assert!(error(&[("limit", "1"), ("name", ""), ("mode", "warp")]).starts_with("setting `mode`: "));
    }
}
