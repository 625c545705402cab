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

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's reference.
    fn guide() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/testing.md");
        std::fs::read_to_string(path).unwrap()
    }

    fn mistakes(text: &str) -> Vec<String> {
        let Err(mistakes) = Script::parse(text, Path::new("a.toml")) else { return vec![] };
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_guide_lists_every_step() {
        let guide = guide();
        for step in step::names() {
            assert!(guide.contains(&format!("| `{step} = ")), "host/docs/testing.md does not list {step}");
        }
    }

    #[test]
    fn the_guide_lists_every_key() {
        let [top] = &mistakes("unknown = 1\n[[test]]\nname = 'a'\nsteps = []\n")[..] else { panic!("one mistake") };
        let known = top.split_once("(there are ").unwrap().1.trim_end_matches(')');
        let guide = guide();
        for key in known.split(", ").filter(|key| *key != "test") {
            assert!(guide.contains(&format!("`{key}`")), "host/docs/testing.md does not list {key}");
        }
    }

    #[test]
    fn a_test_says_what_is_its_own() {
        let script = Script::parse(
            "plugin = 'a.wasm'\nsettings = { a = 1, b = 'x' }\n[[test]]\nname = 'one'\nsettings = { a = 2 }\nsteps = []\n\
             [[test]]\nname = 'two'\ninstance = 'shared'\nsteps = []\n",
            Path::new("folder/a.toml"),
        )
        .unwrap();
        let [one, two] = script.cases() else { panic!("two tests") };
        let setups = [one, two].map(|case| case.plan.setup(&Common::default()).unwrap());
        let [a, b] = setups.each_ref().map(|setup| setup.behavior.settings["a"].as_str());
        assert_eq!((a, b, setups[0].behavior.settings["b"].as_str()), ("2", "1", "x"));
        assert_eq!(setups[0].behavior.source, socklet_plugin::Source::File("folder/a.wasm".into()));
        assert_eq!(setups[1].instances.policy, socklet_plugin::InstancePolicy::Shared);
    }

    #[test]
    fn what_belongs_to_no_step_is_a_mistake() {
        let of = |step: &str| mistakes(&format!("[[test]]\nname = 'a'\nsteps = [{step}]\n"));
        assert_eq!(of("{ connect = '/' }"), [""; 0]);
        for (step, message) in [
            ("{ connect = '/', path = '/' }", "test.steps.path: unknown key (there are captures, "),
            ("{ connect = '/', refused = 20 }", "test.steps.refused: expected a status from 100 to 599"),
            ("{ connect = '/', refused = 401, expect_subprotocol = 'a' }", "test.steps.expect_subprotocol: a request"),
            ("{ connect = '/', principal = {} }", "test.steps.principal.subject: missing; expected a text"),
            ("{ connect = '/', client_ip = 'here' }", "test.steps.client_ip: expected an IP address"),
            ("{ send_binary = '0' }", "test.steps.send_binary: expected bytes in hexadecimal digits"),
            ("{ send_binary = '0g' }", "test.steps.send_binary: expected bytes in hexadecimal digits"),
            ("{ send_frame = 'close' }", "test.steps.send_frame: expected \"text\", \"binary\", "),
            ("{ send_frame = 'text', payload = 'a', payload_hex = '00' }", "test.steps.payload_hex: a frame has one"),
            ("{ close = true, reason = 'bye' }", "test.steps.reason: an empty close frame has no reason"),
            ("{ vanish = false }", "test.steps.vanish: expected true"),
            ("{ expect_timer = 't' }", "test.steps.due_in: missing; expected a duration"),
            ("{ expect_instance = 'asleep' }", "test.steps.expect_instance: expected \"live\", "),
            ("{ expect_death = '', kind = 'panic' }", "test.steps.kind: expected one of trap, "),
            ("{ send_json = { at = 2030-01-01 } }", "test.steps.send_json: expected what JSON can say"),
            ("{}", "test.steps: missing what happens: one of connect, "),
        ] {
            let found = of(step);
            assert!(found.len() == 1 && found[0].starts_with(&format!("a.toml:3: {message}")), "{step}: {found:?}");
        }
    }
}
