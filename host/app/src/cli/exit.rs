//! How commands end. The only place where an outcome becomes an exit code.

use super::out;
use crate::{BuildError, ConfigError, Mistakes};
use std::process::ExitCode;

/// What the help says about them.
pub(super) const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 64 bad configuration.";

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration is bad: exit code 64.
    Configuration(ConfigError),
    /// Anything else: exit code 1.
    Failed(anyhow::Error),
    /// As [`Failure::Configuration`], and the command has said why.
    Told,
    /// As [`Failure::Failed`], and the command has said why.
    FailedAndTold,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Configuration(mistakes.into())
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Mistakes(mistakes) => mistakes.into(),
            // These tell their causes themselves.
            error => Self::Failed(anyhow::anyhow!("{error}")),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Says why a command failed, and ends with the code for it.
pub(super) fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(error)) => {
            out::complain(&error.to_string());
            ExitCode::from(64)
        }
        Err(Failure::Told) => ExitCode::from(64),
        Err(Failure::FailedAndTold) => ExitCode::FAILURE,
        Err(Failure::Failed(error)) => {
            out::complain(&format!("socklet: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
