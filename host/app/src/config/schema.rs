//! What a configuration can say. [`section!`] makes a struct, its keys and its reader from one list, so that a new key is one
//! line there; everything else (the reference, the defaults, the JSON Schema, the names of variables) derives from it.

use super::{
    sections,
    value::{Kind, Value},
};
use toml_edit::Value as Toml;

/// One section: a table of keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name with its parents: `limits`, `route.limits`; empty for the top level.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) shape: Shape,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [&'static [Key]],
    /// Keys that this version knows by name and does not serve yet: the key and what it is about.
    pub(crate) later: &'static [(&'static str, &'static str)],
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Once: `[name]`. These can be set from the environment, too.
    Once,
    /// Any number of times: `[[name]]`.
    Many,
    /// Once for each name: `[name.NAME]`.
    Named,
    /// As [`Shape::Named`], and what it leaves out comes from the section that is named here.
    NamedOverride(&'static str),
    /// Inside another section.
    Inner,
    /// As [`Shape::Inner`], and off where it is left out: `name = true` stands for an empty table.
    Switch,
    /// As [`Shape::Inner`], and what it leaves out comes from the top-level section of that name.
    Override,
}

/// One key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
    /// Its default in TOML.
    pub(crate) default: Option<&'static str>,
    /// An example in TOML, for keys without a default.
    pub(crate) example: Option<&'static str>,
    /// What its value looks like.
    pub(crate) kind: fn() -> Kind,
    /// Checks that a value decodes.
    #[cfg_attr(not(test), expect(dead_code, reason = "proves that defaults and examples decode"))]
    pub(crate) check: fn(&Toml) -> bool,
    /// Whether it has no default and may still be left out.
    pub(crate) optional: bool,
}

/// Declares the keys of a section.
///
/// `key: Type = default;` has a default, `key: Type => example;` has none. Both are TOML. A key that is not a Rust name is
/// written `field as "key"`.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $($(#[doc = $key_doc:literal])+ $key:ident $(as $alias:literal)?: $kind:ty $(= $default:tt)? $(=> $example:tt)?;)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name {
            $($(#[doc = $key_doc])+ pub(crate) $key: $kind,)+
        }

        impl $name {
            /// What the section is for.
            #[allow(dead_code, reason = "a section of several structs has a text of its own")]
            pub(crate) const DOC: &str = concat!($($doc),+);

            /// The keys, in the order of the documentation.
            pub(crate) const KEYS: &[$crate::config::schema::Key] = &[$($crate::config::schema::Key {
                name: section!(@first $($alias,)? stringify!($key)),
                doc: concat!($($key_doc),+),
                default: section!(@text $($default)?),
                example: section!(@text $($example)?),
                kind: <$kind as $crate::config::value::Value>::kind,
                check: $crate::config::schema::decodes::<$kind>,
                optional: <$kind as $crate::config::value::Value>::OPTIONAL,
            }),+];

            /// Reads the section; what is left out, or wrong, comes from `base` or is the default. None when a key that is
            /// needed is missing. Mistakes are noted.
            pub(crate) fn read(
                table: &$crate::config::reader::Table<'_>,
                base: Option<&Self>,
            ) -> Option<Self> {
                // One after the other, so that every mistake is found before the first one ends this.
                $(let $key = table.key::<$kind>(section!(@first $($alias,)? stringify!($key)), base.map(|base| &base.$key));)+
                Some(Self { $($key: $key?),+ })
            }
        }
    };
    (@first $first:expr $(, $rest:expr)*) => { $first };
    (@text) => { None };
    (@text $text:tt) => { Some(stringify!($text)) };
}

pub(crate) use section;

/// Whether a value is one of a type.
pub(crate) fn decodes<T: Value>(toml: &Toml) -> bool {
    T::decode(toml).is_ok()
}

// === impl Section ===

impl Section {
    /// The section of a name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        sections::SECTIONS.iter().find(|section| section.name == name)
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().copied().flatten()
    }

    /// A key of it.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Its last name: what stands in a table that contains it.
    pub(crate) fn last_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// The sections directly inside it.
    pub(crate) fn children(&self) -> impl Iterator<Item = &'static Self> {
        let parent = self.name;
        sections::SECTIONS.iter().filter(move |section| {
            !section.name.is_empty() && section.name.rsplit_once('.').map_or("", |(parent, _)| parent) == parent
        })
    }

    /// The section that says what this one leaves out.
    pub(crate) fn base(&self) -> Option<&'static Self> {
        match self.shape {
            Shape::Override => Self::find(self.last_name()),
            Shape::NamedOverride(base) => Self::find(base),
            Shape::Once | Shape::Many | Shape::Named | Shape::Inner | Shape::Switch => None,
        }
    }

    /// How its header is written.
    pub(crate) fn header(&self) -> String {
        match self.shape {
            Shape::Many => format!("[[{}]]", self.name),
            Shape::Named | Shape::NamedOverride(_) => format!("[{}.NAME]", self.name),
            Shape::Once => format!("[{}]", self.name),
            Shape::Inner | Shape::Switch | Shape::Override => match self.name.split_once('.') {
                Some((parent, rest)) if Self::find(parent).is_some_and(|parent| parent.shape == Shape::Named) => {
                    format!("[{parent}.NAME.{rest}]")
                }
                _ => format!("[{}]", self.name),
            },
        }
    }

    /// The environment variable of a key; none where only the file can set it.
    pub(crate) fn variable(&self, key: &Key) -> Option<String> {
        let settable = self.shape == Shape::Once && (key.kind)().form != super::value::Form::Table;
        let name = if self.name.is_empty() { key.name.to_owned() } else { format!("{}_{}", self.name, key.name) };
        settable.then(|| format!("SOCKLET_{}", name.to_ascii_uppercase()))
    }
}

// === impl Key ===

impl Key {
    /// What it means, without the space that doc comments begin with.
    pub(crate) fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// Whether a section without it is a mistake.
    pub(crate) fn required(&self) -> bool {
        self.default.is_none() && !self.optional
    }
}
