//! Tests as files: scripted conversations in TOML.

mod plan;
mod reader;
mod run;
mod step;

pub use plan::Common;
pub use reader::{Mistake, Mistakes};
pub use run::{Failure, Outcome};

use plan::Plan;
use reader::{Reader, Table, document};
use std::{collections::BTreeSet, io, path::Path};
use step::Step;

/// The largest script in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// The tests of one file.
#[derive(Clone, Debug)]
pub struct Script {
    file: String,
    cases: Vec<Case>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    line: usize,
    plan: Plan,
    steps: Vec<Step>,
}

/// A script cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("failed to read {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// It says what cannot be.
    #[error("{0}")]
    Mistakes(#[from] Mistakes),
}

// === impl Script ===

impl Script {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or with every mistake in it.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let file = path.display().to_string();
        let failed = |source| ScriptError::Read { file: file.clone(), source };
        if path.metadata().map_err(failed)?.len() > MAX_SIZE {
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_SIZE} bytes"))));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Ok(Self::parse(&text, path)?)
    }

    /// Reads a text. Components are looked for from the folder of `path`.
    ///
    /// # Errors
    ///
    /// With every mistake in it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Mistakes> {
        let file = path.display().to_string();
        let document = document(text, &file)?;
        let reader = Reader::new(&file, text);
        let cases = {
            let top = reader.top(document.as_table());
            let folder = path.parent().unwrap_or(Path::new(""));
            let plan = Plan::read(&top, &Plan::default(), folder);
            let mut names = BTreeSet::new();
            let tests = top.tables("test");
            let cases: Vec<_> =
                tests.iter().filter_map(|(table, _)| Case::read(table, &plan, folder, &mut names)).collect();
            if tests.is_empty() {
                top.wrong("test", "missing; expected at least one [[test]]");
            }
            top.finish();
            cases
        };
        reader.finish(()).map(|()| Self { file: file.clone(), cases })
    }

    /// The tests, in order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The file as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Runs one of its tests.
    pub fn run(&self, case: &Case, common: &Common) -> Outcome {
        run::run(&self.file, case, common)
    }
}

// === impl Case ===

impl Case {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn read(table: &Table<'_>, base: &Plan, folder: &Path, names: &mut BTreeSet<String>) -> Option<Self> {
        let name = table.text("name");
        let plan = Plan::read(table, base, folder);
        let steps = table.tables("steps");
        let read: Vec<_> =
            steps.iter().filter_map(|(step, span)| Step::read(step, table.source(span.clone()), folder)).collect();
        if !table.has("steps") {
            table.wrong("steps", "missing; expected a list of steps such as [{ connect = \"/\" }, { send = \"hi\" }]");
        }
        table.finish();
        let Some(name) = name else {
            table.wrong("name", "missing; expected a text");
            return None;
        };
        if !names.insert(name.clone()) {
            table.wrong("name", "another test of this file has that name");
        }
        Some(Self { name, line: table.line(), plan, steps: read })
    }
}
