//! Kinds of values: what each looks like in TOML, and the type that it becomes.

use socklet_core::units;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use toml_edit::Value as Toml;

/// Something that a key can hold. Decoded once, at the edge.
pub(crate) trait Value: Sized {
    /// Whether the key may be left out although it has no default.
    const OPTIONAL: bool = false;

    /// What it looks like.
    fn kind() -> Kind;

    /// Decodes what was written.
    fn decode(toml: &Toml) -> Result<Self, Wrong>;

    /// What stands for a key that was left out.
    fn absent() -> Option<Self> {
        None
    }
}

/// What a kind of value looks like, for people and for the JSON Schema.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// One or two words.
    pub(crate) name: &'static str,
    /// Completes "expected …".
    pub(crate) hint: &'static str,
    /// Its form in TOML.
    pub(crate) form: Form,
    /// Whether the word `"none"` will do, too.
    pub(crate) or_none: bool,
}

/// The forms that a value has in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A string.
    Text,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer,
    /// A number, whole or not.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of strings, or one string.
    List,
    /// A table.
    Table,
    /// A string or a table.
    TextOrTable,
}

/// Why a value was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is not of the kind: the kind's hint says the rest.
    Kind,
    /// It is of the kind, nearly: what is wrong. The kind's hint follows.
    Nearly(String),
    /// A sentence that needs no hint.
    Because(String),
}

impl Wrong {
    /// What is wrong, and what would be right.
    pub(crate) fn message(self, kind: &Kind) -> String {
        let hint = kind.expected();
        match self {
            Self::Kind => format!("expected {hint}"),
            Self::Nearly(why) => format!("{why}; expected {hint}"),
            Self::Because(why) => why,
        }
    }
}

/// A size in bytes, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

/// A number of things, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) usize);

/// A limit that can be absent: written `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit<T>(pub(crate) Option<T>);

/// A plugin's settings: strings as they are, everything else as JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(pub(crate) BTreeMap<String, String>);

/// Pairs of texts, such as header names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

// === impl Kind ===

impl Kind {
    pub(crate) const fn new(name: &'static str, hint: &'static str, form: Form) -> Self {
        Self { name, hint, form, or_none: false }
    }

    /// What to write: completes "expected …".
    pub(crate) fn expected(&self) -> String {
        if self.or_none { format!("{}, or \"none\"", self.hint) } else { self.hint.to_owned() }
    }
}

/// A kind that is a string with a meaning: the type, its name, its hint, and the function that reads it.
macro_rules! text_kinds {
    ($($type:ty: $name:literal, $hint:expr, $parse:expr;)*) => {$(
        impl Value for $type {
            fn kind() -> Kind {
                Kind::new($name, $hint, Form::Text)
            }

            fn decode(toml: &Toml) -> Result<Self, Wrong> {
                let parse: fn(&str) -> Result<Self, String> = $parse;
                parse(toml.as_str().ok_or(Wrong::Kind)?).map_err(Wrong::Nearly)
            }
        }
    )*};
}

/// A kind that is one of a few words.
macro_rules! choice_kind {
    ($type:ident: $name:literal, $hint:literal, $($word:literal => $variant:ident),+ $(; later $($later:literal),+)?) => {
        impl Value for $type {
            fn kind() -> Kind {
                Kind::new($name, $hint, Form::Choice(&[$($word),+]))
            }

            fn decode(toml: &Toml) -> Result<Self, Wrong> {
                match toml.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    $(Some($($later)|+) => Err(Wrong::Because(
                        concat!("this version does not serve it yet; ", $hint, " is what it has").to_owned(),
                    )),)?
                    _ => Err(Wrong::Kind),
                }
            }
        }
    };
}

pub(crate) use {choice_kind, text_kinds};

text_kinds! {
    String: "text", "a text in quotes", |s| Ok(s.to_owned());
    Duration: "duration", "a duration such as \"25s\", \"100ms\" or \"5m\"", units::parse_duration;
    Size: "size", "a size such as \"64KiB\" or \"1MiB\"", |s| units::parse_size(s).map(Size);
    PathBuf: "path", "a path, from the folder of the configuration file",
        |s| if s.is_empty() { Err("it is empty".to_owned()) } else { Ok(s.into()) };
    SocketAddr: "address", "an IP address with a port, such as \"127.0.0.1:9090\" or \"[::1]:9090\"",
        |s| s.parse().map_err(|_| "not an IP address with a port".to_owned());
}

impl Value for bool {
    fn kind() -> Kind {
        Kind::new("boolean", "true or false", Form::Boolean)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        toml.as_bool().ok_or(Wrong::Kind)
    }
}

impl Value for Count {
    fn kind() -> Kind {
        Kind::new("number", "a whole number from 1", Form::Integer)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        match toml.as_integer().map(usize::try_from) {
            Some(Ok(count @ 1..=0xffff_ffff)) => Ok(Self(count)),
            _ => Err(Wrong::Kind),
        }
    }
}

impl<T: Value> Value for Option<T> {
    const OPTIONAL: bool = true;

    fn kind() -> Kind {
        T::kind()
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        T::decode(toml).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Value> Value for Limit<T> {
    fn kind() -> Kind {
        Kind { or_none: true, ..T::kind() }
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        match toml.as_str() {
            Some("none") => Ok(Self(None)),
            _ => T::decode(toml).map(|limit| Self(Some(limit))),
        }
    }
}

impl<T: Value> Value for Vec<T> {
    fn kind() -> Kind {
        Kind { form: Form::List, ..T::kind() }
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        match toml.as_array() {
            Some(items) => items.iter().map(T::decode).collect(),
            None => T::decode(toml).map(|item| vec![item]),
        }
    }
}

impl Value for Settings {
    fn kind() -> Kind {
        Kind::new("table", "a table of what the plugin understands", Form::Table)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        let table = toml.as_inline_table().ok_or(Wrong::Kind)?;
        let text = |value: &Toml| match value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => json(value).map(|json| json.to_string()),
        };
        table.iter().map(|(key, value)| Ok((key.to_owned(), text(value)?))).collect::<Result<_, _>>().map(Self)
    }
}

impl Value for Pairs {
    fn kind() -> Kind {
        Kind::new("table", "a table of texts such as { x-version = \"2\" }", Form::Table)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        let table = toml.as_inline_table().ok_or(Wrong::Kind)?;
        let pair = |(key, value): (&str, &Toml)| Some((key.to_owned(), value.as_str()?.to_owned()));
        table.iter().map(pair).collect::<Option<_>>().map(Self).ok_or(Wrong::Kind)
    }
}

/// A TOML value as JSON; dates become strings.
pub(crate) fn json(value: &Toml) -> Result<serde_json::Value, Wrong> {
    Ok(match value {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => (*number.value()).into(),
        Toml::Float(number) => serde_json::Number::from_f64(*number.value())
            .ok_or_else(|| Wrong::Because("JSON has no number for it, and settings reach plugins as JSON".to_owned()))?
            .into(),
        Toml::Boolean(flag) => (*flag.value()).into(),
        Toml::Datetime(when) => when.value().to_string().into(),
        Toml::Array(items) => items.iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        Toml::InlineTable(table) => serde_json::Value::Object(
            table.iter().map(|(key, value)| Ok((key.to_owned(), json(value)?))).collect::<Result<_, _>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<T: Value>(toml: &str) -> Result<T, Wrong> {
        T::decode(&toml.parse().unwrap())
    }

    #[test]
    fn a_list_may_be_one_text() {
        assert_eq!(decode::<Vec<String>>("\"a\"").unwrap(), ["a"]);
        assert_eq!(decode::<Vec<String>>("[\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert_eq!(decode::<Vec<String>>("[1]"), Err(Wrong::Kind));
    }

    #[test]
    fn counts_are_positive() {
        assert_eq!(decode::<Count>("10_000").unwrap(), Count(10_000));
        for bad in ["0", "-1", "1.0", "\"1\"", "4294967296"] {
            assert_eq!(decode::<Count>(bad), Err(Wrong::Kind), "{bad}");
        }
    }

    #[test]
    fn a_limit_can_be_none() {
        assert_eq!(decode::<Limit<Size>>("\"none\"").unwrap(), Limit(None));
        assert_eq!(decode::<Limit<Size>>("\"1KiB\"").unwrap(), Limit(Some(Size(1024))));
    }

    #[test]
    fn settings_are_texts_and_json() {
        let toml =
            r#"{ realm = "demo", max = 3, on = true, ratio = 0.5, users = [{ name = "ada", at = 2026-01-01 }] }"#;
        let Settings(settings) = decode(toml).unwrap();
        let expected = [
            ("max", "3"),
            ("on", "true"),
            ("ratio", "0.5"),
            ("realm", "demo"),
            ("users", r#"[{"at":"2026-01-01","name":"ada"}]"#),
        ];
        assert_eq!(settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        assert!(matches!(decode::<Settings>("{ x = nan }"), Err(Wrong::Because(_))));
    }
}
