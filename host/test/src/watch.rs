//! What was expected of the log and of deaths, and what nobody expected.

use crate::{
    conversation::{Entry, Event, gist, quoted},
    expect::Mismatch,
};
use regex::Regex;
use std::{collections::BTreeSet, fmt};

/// What a text is to be like.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// It contains this.
    Containing(String),
    /// This matches, anywhere in it.
    Matching(Regex),
}

/// How far somebody has read what happened.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Lines of the log before this were looked at.
    log: usize,
    /// Deaths that were expected.
    deaths: BTreeSet<usize>,
}

// === impl Pattern ===

impl Pattern {
    fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Containing(part) => text.contains(part.as_str()),
            Self::Matching(pattern) => pattern.is_match(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Containing(part) => write!(f, "with {}", quoted(part)),
            Self::Matching(pattern) => write!(f, "that matches {pattern}"),
        }
    }
}

impl From<&str> for Pattern {
    fn from(part: &str) -> Self {
        Self::Containing(part.to_owned())
    }
}

// === impl Watch ===

impl Watch {
    /// There is such a line behind the last one that was expected.
    pub(crate) fn expect_log(
        &mut self,
        entries: &[Entry],
        level: Option<&str>,
        pattern: &Pattern,
    ) -> Result<(), Mismatch> {
        let lines = entries.iter().enumerate().skip(self.log);
        let lines = lines.filter_map(|(index, entry)| match &entry.event {
            Event::Log { level, text } => Some((index, *level, text.as_str())),
            _ => None,
        });
        let lines: Vec<_> = lines.collect();
        let is_it =
            |(_, of, text): &&(usize, &str, &str)| level.is_none_or(|level| level == *of) && pattern.is_in(text);
        if let Some((index, ..)) = lines.iter().find(is_it) {
            self.log = index + 1;
            return Ok(());
        }
        let expected =
            format!("a line of the log{} {pattern}", level.map(|level| format!(" at {level}")).unwrap_or_default());
        let found = match lines.as_slice() {
            [] => "no line".to_owned(),
            lines => lines.iter().map(|(_, level, text)| format!("{level}: {text}")).collect::<Vec<_>>().join("; "),
        };
        Err(Mismatch::new(expected, found))
    }

    /// An instance died, which nobody expected before.
    pub(crate) fn expect_death(
        &mut self,
        entries: &[Entry],
        kind: Option<&str>,
        pattern: &Pattern,
    ) -> Result<(), Mismatch> {
        let deaths = self.deaths(entries);
        let expected = || format!("a death{} {pattern}", kind.map(|kind| format!(" by {kind}")).unwrap_or_default());
        match deaths.first() {
            None => Err(Mismatch::new(expected(), "none")),
            Some((index, of, error)) => {
                if kind.is_some_and(|kind| kind != *of) || !pattern.is_in(error) {
                    return Err(Mismatch::new(expected(), format!("one by {of}: {}", gist(error))));
                }
                self.deaths.insert(*index);
                Ok(())
            }
        }
    }

    /// What dies from here on until [`Watch::forgive`] is meant to.
    pub(crate) fn forgive(&mut self, since: usize, entries: &[Entry]) {
        let died = entries.iter().enumerate().skip(since);
        self.deaths.extend(died.filter(|(_, entry)| is_death(entry)).map(|(index, _)| index));
    }

    /// Deaths that nobody expected: where in the conversation, by what, and more.
    pub(crate) fn deaths<'e>(&self, entries: &'e [Entry]) -> Vec<(usize, &'static str, &'e str)> {
        let died = entries.iter().enumerate().filter(|(index, _)| !self.deaths.contains(index));
        died.filter_map(|(index, entry)| match &entry.event {
            Event::Died { kind, error, .. } => Some((index, *kind, error.as_str())),
            _ => None,
        })
        .collect()
    }
}

fn is_death(entry: &Entry) -> bool {
    matches!(entry.event, Event::Died { .. })
}
