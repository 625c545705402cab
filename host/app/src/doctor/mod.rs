//! What operators get wrong around a server: limits of the system, folders, addresses, the clock. Looks, and changes nothing.

mod addresses;
mod certificates;
mod folders;
mod system;

use crate::Config;
use serde::Serialize;
use std::{path::Path, time::SystemTime};

/// What was found out about one thing.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) about: String,
    pub(crate) verdict: Verdict,
    /// What there is.
    pub(crate) found: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// It serves, and not as well as it could.
    Warning,
    /// It does not start, or will not do what the configuration promises.
    Problem,
}

// === impl Finding ===

impl Finding {
    fn ok(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self { about: about.into(), verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(about: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about: about.into(), verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(about: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Problem, ..Self::warning(about, found, advice) }
    }
}

/// Looks at everything that a server of this configuration depends on, but for its plugins.
pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = system::examine(Path::new("/"), config);
    findings.extend(folders::examine(config));
    findings.extend(addresses::examine(config));
    findings.extend(certificates::examine(config, SystemTime::now()));
    findings
}
