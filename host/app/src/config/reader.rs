//! Reads tables by their section: what is unknown, and what does not decode, becomes a mistake with its place.

use super::{
    environment::Environment,
    mistake::{Mistake, Place, Problems},
    schema::{Key, Section, Shape},
    value::{Form, Value},
};
use socklet_core::suggest::unknown;
use std::{ops::Range, sync::Arc};
use toml_edit::{Item, TableLike, Value as Toml};

/// What is being read: the file, the environment over it, and the mistakes so far.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    environment: &'a Environment,
    problems: &'a Problems,
}

/// A table of a section; it may be absent from the file.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    reader: &'a Reader<'a>,
    section: &'static Section,
    /// What mistakes call it: `limits`, `plugin.chat`.
    path: String,
    items: Option<&'a dyn TableLike>,
    line: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn new(file: Arc<str>, text: &'a str, environment: &'a Environment, problems: &'a Problems) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { file, text, lines, environment, problems }
    }

    /// The top level. Notes what it does not know.
    pub(crate) fn top(&'a self, root: &'a dyn TableLike) -> Table<'a> {
        let table = self.root(root);
        table.check_names();
        table
    }

    /// The top level of a file that has only these of its sections. Notes everything else.
    pub(crate) fn top_of(&'a self, root: &'a dyn TableLike, sections: &[&str]) -> Table<'a> {
        let table = self.root(root);
        table.check_names_among(sections);
        table
    }

    /// The top level, whatever else is in it.
    pub(crate) fn root(&'a self, root: &'a dyn TableLike) -> Table<'a> {
        let section = Section::find("").expect("the top level is in the list of sections");
        Table { reader: self, section, path: String::new(), items: Some(root), line: 1 }
    }

    fn line(&self, at: Option<Range<usize>>) -> Option<usize> {
        let start = at?.start;
        (start <= self.text.len()).then(|| self.lines.partition_point(|line| *line <= start))
    }
}

// === impl Table ===

impl<'a> Table<'a> {
    /// The table `[name]` inside this one; it may be absent from the file.
    pub(crate) fn one(&self, name: &str) -> Self {
        match self.item(name).map(|item| (item, item.as_table_like())) {
            None => self.absent(name),
            Some((item, Some(table))) => self.open(name, self.join(name), table, item.span()),
            Some((_, None)) => {
                self.not_tables(name);
                self.absent(name)
            }
        }
    }

    /// The table `[name]` inside this one, where it is switched on: by being there, or by `name = true`.
    pub(crate) fn switch(&self, name: &str) -> Option<Self> {
        match self.item(name).map(|item| item.as_bool()) {
            None | Some(Some(false)) => None,
            Some(Some(true)) => Some(self.absent(name)),
            Some(None) => Some(self.one(name)),
        }
    }

    /// Every `[[name]]` inside this one.
    pub(crate) fn many(&self, name: &str) -> Vec<Self> {
        let open = |table: &'a dyn TableLike, span| self.open(name, self.join(name), table, span);
        match self.item(name) {
            None => vec![],
            Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| open(table, table.span())).collect(),
            Some(Item::Value(Toml::Array(array))) if array.iter().all(Toml::is_inline_table) => {
                array.iter().filter_map(Toml::as_inline_table).map(|table| open(table, table.span())).collect()
            }
            Some(_) => {
                self.not_tables(name);
                vec![]
            }
        }
    }

    /// Every `[name.NAME]` inside this one, with its name.
    pub(crate) fn named(&self, name: &str) -> Vec<(&'a str, Self)> {
        let Some(item) = self.item(name) else { return vec![] };
        let Some(names) = item.as_table_like() else {
            self.not_tables(name);
            return vec![];
        };
        let table = |(key, item): (&'a str, &'a Item)| {
            let path = format!("{}.{key}", self.join(name));
            let span = item.span().or_else(|| names.get_key_value(key)?.0.span());
            match item.as_table_like() {
                Some(table) => Some((key, self.open(name, path, table, span))),
                None => {
                    let header = self.child(name).header();
                    self.note(self.place_at(path, span), format!("expected a table: write {header}"));
                    None
                }
            }
        };
        names.iter().filter_map(table).collect()
    }

    /// The names in a section that is written once for each name, whether or not what they name is right.
    pub(crate) fn names(&self, name: &str) -> Vec<&'a str> {
        let names = self.item(name).and_then(Item::as_table_like);
        names.into_iter().flat_map(|names| names.iter().map(|(name, _)| name)).collect()
    }

    /// A table of a section inside this one that is not in the file.
    pub(crate) fn absent(&self, name: &str) -> Self {
        let section = self.child(name);
        Self { section, path: self.join(name), items: None, ..self.clone() }
    }

    /// The value of a key: from the environment, the file, `base` or its default, in this order. None when it is needed and
    /// missing. A mistake is noted, and stands for a key that was left out.
    pub(crate) fn key<T: Value + Clone>(&self, name: &str, base: Option<&T>) -> Option<T> {
        let key = self.section.key(name).expect("only keys in the list of sections are asked for");
        let given = self.given(key);
        let missing = given.is_none();
        let decoded = given.and_then(|toml| match T::decode(&toml) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let message = wrong.message(&T::kind());
                self.reader.problems.add_undecoded(self.mistake(name, message));
                None
            }
        });
        let default = || {
            let toml: Toml = key.default?.parse().expect("defaults are TOML");
            Some(T::decode(&toml).unwrap_or_else(|wrong| unreachable!("the default of {name} is not valid: {wrong:?}")))
        };
        let value = decoded.or_else(|| base.cloned()).or_else(default).or_else(T::absent);
        if value.is_none() && missing {
            self.note(self.place_at(self.join(name), None), format!("missing; expected {}", T::kind().expected()));
        }
        value
    }

    /// Where this table is.
    pub(crate) fn place_here(&self) -> Place {
        self.place_at(self.path.clone(), None)
    }

    /// Where a key of this table is, or its table where the key was left out.
    pub(crate) fn place(&self, name: &str) -> Place {
        match self.variable(name) {
            Some((variable, _)) => Place::in_environment(variable),
            None => self.place_at(self.join(name), self.span(name)),
        }
    }

    /// Notes a mistake at a key.
    pub(crate) fn wrong(&self, name: &str, message: impl Into<String>) {
        self.reader.problems.add(self.mistake(name, message));
    }

    fn mistake(&self, name: &str, message: impl Into<String>) -> Mistake {
        let shown = match self.variable(name) {
            Some((_, value)) => Some(value),
            // Tables are not repeated: settings carry secrets.
            None if self.section.key(name).is_some_and(|key| (key.kind)().form == Form::Table) => None,
            None => self
                .items
                .and_then(|items| items.get(name)?.as_value()?.span())
                .and_then(|span| self.reader.text.get(span)),
        };
        Mistake::new(self.place(name), shown, message)
    }

    /// Notes a mistake of the whole table.
    pub(crate) fn wrong_here(&self, message: impl Into<String>) {
        self.note(self.place_at(self.path.clone(), None), message);
    }

    /// Whether a key is in the file or the environment.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.variable(name).is_some() || self.items.is_some_and(|items| items.contains_key(name))
    }

    fn child(&self, name: &str) -> &'static Section {
        let child = self.section.children().find(|child| child.last_name() == name);
        child.expect("only sections in the list of sections are asked for")
    }

    fn item(&self, name: &str) -> Option<&'a Item> {
        self.items?.get(name)
    }

    fn not_tables(&self, name: &str) {
        let section = self.child(name);
        let what = match section.shape {
            Shape::Many => "tables",
            Shape::Switch => "true, false or a table",
            Shape::Once | Shape::Named | Shape::NamedOverride(_) | Shape::Inner | Shape::Override => "a table",
        };
        self.wrong(name, format!("expected {what}: write {}", section.header()));
    }

    fn open(&self, name: &str, path: String, items: &'a dyn TableLike, span: Option<Range<usize>>) -> Self {
        // A table that exists only through its dotted keys has no place of its own.
        let span = span.or_else(|| items.iter().find_map(|(key, _)| items.get_key_value(key)?.0.span()));
        let line = self.reader.line(span.or_else(|| self.span(name))).unwrap_or(self.line);
        let table = Self { reader: self.reader, section: self.child(name), path, items: Some(items), line };
        table.check_names();
        table
    }

    /// Notes the keys that the section does not have.
    fn check_names(&self) {
        let names = || self.section.keys().map(|key| key.name).chain(self.section.children().map(Section::last_name));
        for (name, _) in self.items.iter().flat_map(|items| items.iter()) {
            if names().any(|known| known == name) {
                continue;
            }
            let later = self.section.later.iter().find(|(later, _)| *later == name);
            let message = match later {
                Some((_, what)) => format!("this version does not serve it yet: {what}; leave it out"),
                None => unknown("key", name, names()),
            };
            self.note(self.place(name), message);
        }
    }

    /// Notes the names at the top of a file that has only some sections.
    fn check_names_among(&self, sections: &[&str]) {
        let elsewhere = |name: &str| {
            let mut known =
                self.section.keys().map(|key| key.name).chain(self.section.children().map(Section::last_name));
            known.any(|known| known == name)
        };
        for (name, _) in self.items.iter().flat_map(|items| items.iter()).filter(|(name, _)| !sections.contains(name)) {
            let message = if elsewhere(name) {
                format!("this belongs to the main file; a tenant's own has {}", sections.join(", "))
            } else {
                unknown("section", name, sections.iter().copied())
            };
            self.note(self.place(name), message);
        }
    }

    /// What was written for a key.
    fn given(&self, key: &Key) -> Option<Toml> {
        if let Some((_, text)) = self.variable(key.name) {
            return Some(super::environment::toml(text, (key.kind)().form));
        }
        // A table that stands under a header of its own counts as one that stands behind an equals sign.
        self.items?.get(key.name)?.clone().into_value().ok()
    }

    fn variable(&self, name: &str) -> Option<(&'a str, &'a str)> {
        let key = self.section.key(name)?;
        self.reader.environment.get(&self.section.variable(key)?)
    }

    fn span(&self, name: &str) -> Option<Range<usize>> {
        self.items?.get_key_value(name)?.0.span()
    }

    fn place_at(&self, key: String, span: Option<Range<usize>>) -> Place {
        Place::in_file(self.reader.file.clone(), self.reader.line(span).unwrap_or(self.line), key)
    }

    fn note(&self, place: Place, message: impl Into<String>) {
        self.reader.problems.add(Mistake::new(place, None, message));
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
