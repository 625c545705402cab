//! The line that every change leaves in the log: who wanted what, on what, and what came of it. Its target is `audit`, so that it can be
//! routed apart from everything else.

use super::Problem;
use crate::{access::Identity, endpoint::Peer};
use std::sync::Arc;
use tracing::info;

/// A change that goes on. It is logged also when nobody waits for its end.
#[derive(Debug)]
pub(super) struct Audit {
    who: Arc<Identity>,
    from: Peer,
    what: &'static str,
    on: String,
    /// What else there is to say of it.
    details: Option<String>,
    outcome: Option<String>,
}

/// The longest piece of a name that is repeated: it may be no name at all.
const SHOWN: usize = 63;

// === impl Audit ===

impl Audit {
    /// `on` is what the path names.
    pub(super) fn new<'a>(
        who: Arc<Identity>,
        from: Peer,
        what: &'static str,
        on: impl Iterator<Item = &'a str>,
    ) -> Self {
        let short = |name: &'a str| name.chars().filter(|char| !char.is_control()).take(SHOWN).collect::<String>();
        let on = on.map(short).collect::<Vec<_>>().join("/");
        Self { who, from, what, on, details: None, outcome: None }
    }

    /// Says more of it: never what is secret, and never what was sent.
    pub(super) fn detail(&mut self, details: String) {
        self.details = Some(details);
    }

    /// Notes the outcome.
    pub(super) fn note<T>(mut self, outcome: &Result<T, Problem>) {
        self.outcome = Some(match outcome {
            Ok(_) => "done".to_owned(),
            Err(problem) => format!("refused: {}", problem.to_string().replace('\n', " ")),
        });
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let Self { who, from, what, on, details, outcome } = self;
        let outcome = outcome.as_deref().unwrap_or("given up: the client went away, or it took too long");
        info!(
            target: "audit",
            who = &*who.name,
            %from,
            what,
            on = Some(on.as_str()).filter(|on| !on.is_empty()),
            details = details.as_deref(),
            outcome,
            "asked by an operator"
        );
    }
}
