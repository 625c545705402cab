//! The line that every change leaves in the log: who wanted what, and what came of it.

use super::Problem;
use crate::endpoint::Peer;
use tracing::info;

/// A change that goes on. It is logged also when nobody waits for its end.
#[derive(Debug)]
pub(super) struct Audit<'a> {
    who: Peer,
    what: &'static str,
    /// A plugin, a listener or a tenant.
    on: Option<&'a str>,
    outcome: Option<String>,
}

/// The longest piece of a name that is repeated: it may be no name at all.
const SHOWN: usize = 63;

// === impl Audit ===

impl<'a> Audit<'a> {
    pub(super) fn new(who: Peer, what: &'static str, on: Option<&'a str>) -> Self {
        Self { who, what, on: on.map(|name| name.get(..SHOWN).unwrap_or(name)), outcome: None }
    }

    /// Notes the outcome, and passes it on.
    pub(super) fn note<T>(mut self, outcome: Result<T, Problem>) -> Result<T, Problem> {
        self.outcome = Some(match &outcome {
            Ok(_) => "done".to_owned(),
            Err(problem) => format!("refused: {}", problem.to_string().replace('\n', " ")),
        });
        outcome
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        let Self { who, what, on, outcome } = self;
        let outcome = outcome.as_deref().unwrap_or("given up: the client went away, or it took too long");
        info!(%who, what, on, outcome, "asked by an operator");
    }
}
