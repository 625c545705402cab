//! Reads the tables of a script: what is unknown, missing or of another kind becomes a mistake with its line.

use serde::de::IntoDeserializer;
use serde_json::Value as Json;
use socklet_core::{
    suggest::unknown,
    units::{parse_duration, parse_size},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    ops::{Range, RangeInclusive},
    time::Duration,
};
use toml_edit::{Document, Item, TableLike, Value as Toml};

/// One mistake in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The key; empty for the whole file.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Every mistake of a script, at least one, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub(crate) Vec<Mistake>);

/// What is being read, and the mistakes so far.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
}

/// A table. What is asked of it is what it can have: [`Table::finish`] notes everything else.
pub(super) struct Table<'a> {
    reader: &'a Reader<'a>,
    path: String,
    items: &'a dyn TableLike,
    line: usize,
    known: RefCell<Vec<&'static str>>,
}

/// A text as TOML.
pub(super) fn document<'t>(text: &'t str, file: &str) -> Result<Document<&'t str>, Mistakes> {
    Document::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let message = format!("not TOML: {}", error.message().replace('\n', ", "));
        Mistakes(vec![Mistake { file: file.to_owned(), line, key: String::new(), message }])
    })
}

// === impl Mistakes ===

impl Mistakes {
    /// The mistakes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { file, text, lines, mistakes: RefCell::default() }
    }

    pub(super) fn top(&'a self, items: &'a dyn TableLike) -> Table<'a> {
        Table { reader: self, path: String::new(), items, line: 1, known: RefCell::default() }
    }

    /// What was read, if there was no mistake.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Mistakes> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        if mistakes.is_empty() { Ok(read) } else { Err(Mistakes(mistakes)) }
    }

    fn line(&self, span: Option<Range<usize>>) -> Option<usize> {
        span.map(|span| self.lines.partition_point(|line| *line <= span.start))
    }
}

// === impl Table ===

impl<'a> Table<'a> {
    fn item(&self, key: &'static str) -> Option<&'a Item> {
        self.known.borrow_mut().push(key);
        self.items.get(key)
    }

    /// Whether a key is there. It can be.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.item(key).is_some()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|(key, _)| key)
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// What stands there, as it is written.
    pub(super) fn source(&self, span: Option<Range<usize>>) -> String {
        span.and_then(|span| self.reader.text.get(span)).unwrap_or_default().trim().to_owned()
    }

    /// Notes a mistake at a key.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>) {
        let line = self.items.get_key_value(key).and_then(|(key, item)| key.span().or_else(|| item.span()));
        let line = self.reader.line(line).unwrap_or(self.line);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let path = path.trim_end_matches('.').to_owned();
        let mistake = Mistake { file: self.reader.file.to_owned(), line, key: path, message: message.into() };
        self.reader.mistakes.borrow_mut().push(mistake);
    }

    /// Notes a mistake of the table itself.
    pub(super) fn wrong_here(&self, message: impl Into<String>) {
        self.wrong("", message);
    }

    /// A value that something makes of an item.
    pub(super) fn value<T>(
        &self,
        key: &'static str,
        expected: &str,
        decode: impl FnOnce(&'a Toml) -> Option<T>,
    ) -> Option<T> {
        self.parsed(key, expected, |value| decode(value).ok_or_else(String::new))
    }

    /// A value that something makes of an item, or says why not.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        expected: &str,
        decode: impl FnOnce(&'a Toml) -> Result<T, String>,
    ) -> Option<T> {
        let item = self.item(key)?;
        let decoded = item.as_value().map_or_else(|| Err(String::new()), decode);
        decoded
            .map_err(|why| {
                let because = if why.is_empty() { String::new() } else { format!("{why}; ") };
                self.wrong(key, format!("{because}expected {expected}"));
            })
            .ok()
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.value(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.value(key, "true or false", Toml::as_bool)
    }

    /// For what is only said to happen.
    pub(super) fn yes(&self, key: &'static str) -> Option<()> {
        self.value(key, "true", |value| value.as_bool().filter(|yes| *yes).map(|_| ()))
    }

    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(key, &expected, |value| value.as_integer().filter(|number| range.contains(number)))
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration such as \"25s\", \"100ms\" or \"5m\"", |value| {
            value.as_str().map_or_else(|| Err(String::new()), parse_duration)
        })
    }

    pub(super) fn size(&self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size such as \"64KiB\" or \"1MiB\"", |value| {
            value.as_str().map_or_else(|| Err(String::new()), parse_size)
        })
    }

    pub(super) fn json(&self, key: &'static str) -> Option<Json> {
        // A table under a header of its own counts as one behind an equals sign.
        let value = self.item(key)?.clone().into_value();
        let json = value.ok().and_then(|value| to_json(&value));
        if json.is_none() {
            self.wrong(key, "expected what JSON can say: no dates, no infinite numbers");
        }
        json
    }

    /// A table of texts.
    pub(super) fn pairs(&self, key: &'static str) -> Vec<(String, String)> {
        let Some(item) = self.item(key) else { return vec![] };
        let pairs = item.as_table_like().and_then(|table| {
            table.iter().map(|(key, item)| Some((key.to_owned(), item.as_str()?.to_owned()))).collect::<Option<_>>()
        });
        pairs.unwrap_or_else(|| {
            self.wrong(key, "expected a table of texts such as { name = \"value\" }");
            vec![]
        })
    }

    /// Texts as they are, everything else as JSON: what a plugin reads as its settings.
    pub(super) fn settings(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        match self.json(key)? {
            Json::Object(settings) => {
                let text = |value: Json| match value {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                Some(settings.into_iter().map(|(key, value)| (key, text(value))).collect())
            }
            _ => {
                self.wrong(key, "expected a table of what the plugin understands");
                None
            }
        }
    }

    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        self.value(key, "a list of texts", |value| {
            value.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
        })
    }

    /// The table of a key.
    pub(super) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let item = self.item(key)?;
        let Some(items) = item.as_table_like() else {
            self.wrong(key, "expected a table");
            return None;
        };
        Some(self.open(key, items, item.span()))
    }

    /// The tables of a key, each with its place in the text.
    pub(super) fn tables(&self, key: &'static str) -> Vec<(Table<'a>, Option<Range<usize>>)> {
        match self.item(key) {
            None => vec![],
            Some(Item::ArrayOfTables(tables)) => {
                tables.iter().map(|table| (self.open(key, table, table.span()), table.span())).collect()
            }
            Some(Item::Value(Toml::Array(array))) if array.iter().all(Toml::is_inline_table) => array
                .iter()
                .filter_map(Toml::as_inline_table)
                .map(|table| (self.open(key, table, table.span()), table.span()))
                .collect(),
            Some(_) => {
                self.wrong(key, "expected tables: write [{ ... }, { ... }]");
                vec![]
            }
        }
    }

    fn open(&self, key: &str, items: &'a dyn TableLike, span: Option<Range<usize>>) -> Table<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let line = self.reader.line(span).unwrap_or(self.line);
        Table { reader: self.reader, path, items, line, known: RefCell::default() }
    }

    /// Notes what nobody asked for.
    pub(super) fn finish(&self) {
        let mut known = self.known.borrow().clone();
        known.sort_unstable();
        known.dedup();
        for (key, _) in self.items.iter() {
            if !known.contains(&key) {
                self.wrong(key, unknown("key", key, known.iter().copied()));
            }
        }
    }
}

fn to_json(value: &Toml) -> Option<Json> {
    use serde::Deserialize;
    fn has_more_than_json(value: &Toml) -> bool {
        match value {
            Toml::Datetime(_) => true,
            Toml::Float(number) => !number.value().is_finite(),
            Toml::Array(items) => items.iter().any(has_more_than_json),
            Toml::InlineTable(table) => table.iter().any(|(_, value)| has_more_than_json(value)),
            _ => false,
        }
    }
    if has_more_than_json(value) {
        return None;
    }
    Json::deserialize(value.clone().into_deserializer()).ok()
}
