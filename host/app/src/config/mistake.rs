//! Mistakes in a configuration: where each one is, what it says, what would be right.

use std::{cell::RefCell, collections::HashMap, fmt, sync::Arc};

/// Where in a configuration something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    origin: Origin,
    key: String,
}

/// What a place is in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File { file: Arc<str>, line: usize },
    Environment,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    place: Place,
    value: Option<String>,
    message: String,
}

/// Every mistake of a configuration, at least one, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// Collects mistakes while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    mistakes: RefCell<Vec<Mistake>>,
    /// Where nothing could be decoded: what follows from that is not a mistake of its own.
    undecoded: RefCell<Vec<Place>>,
}

/// The longest piece of a value that a mistake repeats.
const SHOWN: usize = 60;

// === impl Place ===

impl Place {
    pub(crate) fn in_file(file: Arc<str>, line: usize, key: impl Into<String>) -> Self {
        Self { origin: Origin::File { file, line }, key: key.into() }
    }

    pub(crate) fn in_environment(variable: impl Into<String>) -> Self {
        Self { origin: Origin::Environment, key: variable.into() }
    }

    /// The file as it was named; none for the environment.
    pub fn file(&self) -> Option<&str> {
        match &self.origin {
            Origin::File { file, .. } => Some(file),
            Origin::Environment => None,
        }
    }

    /// The line in the file, from 1; none for the environment.
    pub fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::File { line, .. } => Some(line),
            Origin::Environment => None,
        }
    }

    /// The key with its section, such as `limits.max_message_size`, or the name of the variable.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { file, line } => write!(f, "{file}:{line}")?,
            Origin::Environment => f.write_str("environment")?,
        }
        if self.key.is_empty() { Ok(()) } else { write!(f, ": {}", self.key) }
    }
}

// === impl Mistake ===

impl Mistake {
    pub(crate) fn new(place: Place, value: Option<&str>, message: impl Into<String>) -> Self {
        Self { place, value: value.map(shorten), message: message.into() }
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The value as it was written.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is wrong and what would be right.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.message)
    }
}

// === impl Mistakes ===

impl Mistakes {
    /// Those of a list, if there are any.
    pub(crate) fn of(list: Vec<Mistake>) -> Option<Self> {
        let problems = Problems::default();
        list.into_iter().for_each(|mistake| problems.add(mistake));
        problems.into_result().err()
    }

    /// These and others.
    pub(crate) fn and(mut self, others: Option<Self>) -> Self {
        let more = others.into_iter().flat_map(|others| others.0);
        let more: Vec<_> = more.filter(|mistake| !self.0.contains(mistake)).collect();
        self.0.extend(more);
        self
    }

    /// The mistakes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

// === impl Problems ===

impl Problems {
    /// Adds a mistake, unless it is known or follows from one at the same place.
    pub(crate) fn add(&self, mistake: Mistake) {
        let mut mistakes = self.mistakes.borrow_mut();
        if !mistakes.contains(&mistake) && !self.undecoded.borrow().contains(&mistake.place) {
            mistakes.push(mistake);
        }
    }

    /// Adds a mistake: what stands there has no meaning.
    pub(crate) fn add_undecoded(&self, mistake: Mistake) {
        let place = mistake.place.clone();
        self.add(mistake);
        self.undecoded.borrow_mut().push(place);
    }

    /// Adds those of another file.
    pub(crate) fn add_all(&self, mistakes: Mistakes) {
        mistakes.0.into_iter().for_each(|mistake| self.add(mistake));
    }

    /// The outcome: nothing, or every mistake.
    pub(crate) fn into_result(self) -> Result<(), Mistakes> {
        let mut mistakes = self.mistakes.into_inner();
        let mut files = HashMap::new();
        for mistake in &mistakes {
            let next = files.len();
            files.entry(mistake.place.file().map(str::to_owned)).or_insert(next);
        }
        // File after file as they were found, the environment last. Stable: mistakes of one line stay in the order of finding.
        mistakes.sort_by_key(|mistake| match (mistake.place.file(), mistake.place.line()) {
            (Some(file), Some(line)) => (files[&Some(file.to_owned())], line),
            _ => (usize::MAX, 0),
        });
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }
}

fn shorten(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < value.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_says_where_and_what() {
        let place = Place::in_file("a.toml".into(), 3, "log.format");
        let mistake = Mistake::new(place, Some("\"xml\""), "write \"text\" or \"json\"");
        assert_eq!(mistake.to_string(), "a.toml:3: log.format = \"xml\": write \"text\" or \"json\"");
        let mistake = Mistake::new(Place::in_environment("SOCKLET_X"), None, "unknown variable");
        assert_eq!(mistake.to_string(), "environment: SOCKLET_X: unknown variable");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shorten(&"é".repeat(61)), "é".repeat(60) + "…");
        assert_eq!(shorten("[\n1,\n]"), "[…");
    }
}
