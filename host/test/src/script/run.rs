//! Runs one test of a script.

use super::{
    Case,
    plan::Common,
    step::{Action, Deed, Refusal},
};
use crate::{
    conversation::{Entry, quoted},
    expect::Mismatch,
    request::Refused,
    stage::Stage,
    watch::Watch,
};
use serde::Serialize;
use socklet_core::{ConnectionId, units::show_duration};
use socklet_plugin::Source;
use std::collections::BTreeMap;

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The script.
    pub file: String,
    /// The line at which the test begins.
    pub line: usize,
    /// The test.
    pub name: String,
    /// Why it failed. None: it did not.
    pub failure: Option<Failure>,
    /// What happened.
    pub conversation: Vec<Entry>,
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    /// A step was not as expected.
    Step {
        /// Its line in the script.
        line: usize,
        /// As it is written.
        step: String,
        /// What was expected, and what came.
        #[serde(flatten)]
        mismatch: Mismatch,
    },
    /// Something came, or died, that nobody expected until the end.
    End {
        /// What came.
        #[serde(flatten)]
        mismatch: Mismatch,
    },
    /// It could not begin.
    Start {
        /// Why.
        error: String,
    },
}

/// A test that runs.
struct Run {
    stage: Stage,
    watch: Watch,
    /// The last connection of each name.
    peers: BTreeMap<String, ConnectionId>,
}

pub(super) fn run(file: &str, case: &Case, common: &Common) -> Outcome {
    let outcome = |failure, conversation| Outcome {
        file: file.to_owned(),
        line: case.line,
        name: case.name.clone(),
        failure,
        conversation,
    };
    let cannot_start = |error: String| outcome(Some(Failure::Start { error }), vec![]);
    let Some(setup) = case.plan.setup(common) else {
        return cannot_start("it names no plugin: write plugin = \"FILE\" at the top, or say --plugin FILE".into());
    };
    let stage = match Stage::start(setup) {
        Ok(stage) => stage,
        Err(error) => return cannot_start(error.to_string()),
    };
    let mut run = Run { stage, watch: Watch::default(), peers: BTreeMap::new() };
    let failed = case.steps.iter().find_map(|step| {
        let mismatch = run.step(&step.action).err()?;
        Some(Failure::Step { line: step.line, step: step.source.clone(), mismatch })
    });
    let at_end = || run.stage.unexpected(&run.watch).filter(|_| !case.plan.lenient);
    let failure = failed.or_else(|| at_end().map(|mismatch| Failure::End { mismatch }));
    outcome(failure, run.stage.conversation())
}

// === impl Run ===

impl Run {
    fn step(&mut self, action: &Action) -> Result<(), Mismatch> {
        match action {
            Action::Peer(name, Deed::Connect { request, subprotocol, refused }) => {
                let answer = self.stage.connect(name, (**request).clone());
                self.connected(name, answer, subprotocol.as_deref(), refused.as_ref())
            }
            Action::Peer(name, deed) => {
                let Some(id) = self.peers.get(name).copied() else {
                    return Err(Mismatch::new(format!("a peer {name}"), "nobody of that name has connected"));
                };
                self.deed(id, deed)
            }
            Action::Advance(time) => {
                self.stage.advance(*time);
                Ok(())
            }
            Action::Swap(path) => self.stage.swap(Source::File(path.clone())),
            Action::Log(level, pattern) => self.watch.expect_log(&self.stage.conversation(), level.as_deref(), pattern),
            Action::Death(kind, pattern) => {
                self.watch.expect_death(&self.stage.conversation(), kind.as_deref(), pattern)
            }
        }
    }

    fn connected(
        &mut self,
        name: &str,
        answer: Result<ConnectionId, Refused>,
        subprotocol: Option<&str>,
        refused: Option<&Refusal>,
    ) -> Result<(), Mismatch> {
        match (answer, refused) {
            (Ok(id), None) => {
                self.peers.insert(name.to_owned(), id);
                let agreed = self.stage.subprotocol(id);
                match subprotocol {
                    Some(expected) if agreed.as_deref() != Some(expected) => {
                        let agreed = agreed.unwrap_or_else(|| "none".to_owned());
                        Err(Mismatch::new(format!("the subprotocol {expected}"), agreed))
                    }
                    _ => Ok(()),
                }
            }
            (Ok(_), Some(refusal)) => Err(Mismatch::new(format!("a refusal with {}", refusal.status), "a connection")),
            (Err(found), None) => Err(Mismatch::new("a connection", told(&found))),
            (Err(found), Some(refusal)) => refusal.check(&found),
        }
    }

    fn deed(&mut self, id: ConnectionId, deed: &Deed) -> Result<(), Mismatch> {
        let stage = &self.stage;
        match deed {
            // Connected by the caller.
            Deed::Connect { .. } => Ok(()),
            Deed::Frame { opcode, fin, payload } => stage.send(id, *opcode, *fin, payload),
            Deed::Close(frame) => stage.close(id, frame.as_ref().map(|(code, reason)| (*code, reason.as_str()))),
            Deed::Vanish => stage.vanish(id),
            Deed::Read(reads) => {
                stage.reads(id, *reads);
                Ok(())
            }
            Deed::AnswerPings(answers) => {
                stage.answers(id, *answers);
                Ok(())
            }
            Deed::Expect(expected) => stage.expect(id, expected),
            Deed::ExpectNothing => stage.expect_nothing(id),
            Deed::Ignore => {
                stage.world().with(id, |connection| connection.inbox.clear());
                Ok(())
            }
            Deed::Hibernate => stage.hibernate(id),
            Deed::Kill => {
                let before = stage.conversation().len();
                let killed = stage.kill(id);
                self.watch.forgive(before, &stage.conversation());
                killed
            }
            Deed::Instance(expected) => {
                let (expected, found) = (expected.unwrap_or("none"), stage.instance(id).unwrap_or("none"));
                equal(expected == found, || (format!("an instance that is {expected}"), found.to_owned()))
            }
            Deed::Timer { name, due } => {
                let found = stage.timer(id, name);
                let told =
                    |due: Option<_>| due.map_or_else(|| "none".to_owned(), |due| format!("in {}", show_duration(due)));
                equal(found == *due, || (format!("the timer {name:?} due {}", told(*due)), told(found)))
            }
        }
    }
}

fn equal(same: bool, mismatch: impl FnOnce() -> (String, String)) -> Result<(), Mismatch> {
    if same {
        return Ok(());
    }
    let (expected, found) = mismatch();
    Err(Mismatch::new(expected, found))
}

fn told(refused: &Refused) -> String {
    format!("a refusal: {} {}", refused.status, quoted(&refused.text()))
}

// === impl Refusal ===

impl Refusal {
    fn check(&self, found: &Refused) -> Result<(), Mismatch> {
        let differs = |what: String| Err(Mismatch::new(format!("a refusal with {what}"), told(found)));
        if self.status != found.status {
            return differs(self.status.to_string());
        }
        if let Some(body) = self.body.as_ref().filter(|body| **body != found.text()) {
            return differs(format!("the body {}", quoted(body)));
        }
        for (name, value) in &self.headers {
            let given = found.header(&name.to_lowercase());
            if given != Some(value) {
                let given = given.map_or_else(|| "none".to_owned(), quoted);
                return differs(format!("{name}: {value}"))
                    .map_err(|error| error.because(format!("{name} is {given}")));
            }
        }
        Ok(())
    }
}

// === impl Outcome ===

impl Outcome {
    /// Whether it is as expected.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// What is to be told of a failure: where, what, and the conversation up to there. Empty when there is none.
    pub fn explanation(&self) -> String {
        let Some(failure) = &self.failure else { return String::new() };
        let mut text = match failure {
            Failure::Step { line, step, mismatch } => format!("{}:{line}: {step}\n{mismatch}", self.file),
            Failure::End { mismatch } => format!("{}:{}: at the end of the test\n{mismatch}", self.file, self.line),
            Failure::Start { error } => format!("{}:{}: {error}", self.file, self.line),
        };
        if !self.conversation.is_empty() {
            text.push_str("\n\nso far:");
            self.conversation.iter().for_each(|entry| text.push_str(&format!("\n{entry}")));
        }
        text
    }
}
