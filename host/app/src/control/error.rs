//! Why something was not changed.

use crate::{
    config::{ConfigError, Keys, Mistakes},
    durable::StoreError,
};
use socklet_plugin::{LoadError, NothingBefore};
use socklet_server::BindError;
use std::{io, path::PathBuf};

/// Why a plugin was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no plugin {0}")]
    Unknown(String),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    #[error("there is no folder to keep it in: write admin.uploads_dir into the configuration, and restart")]
    NowhereToKeep,
    #[error("the component cannot be kept, so nothing was changed: {0}")]
    NotKept(StoreError),
    #[error("it was changed, and that cannot be recorded, so that a restart would bring the other one back: {0}")]
    NotRecorded(StoreError),
}

/// Why a listener was not started or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenerError {
    #[error("there is no listener {0}")]
    Unknown(String),
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Why the configuration was not reloaded. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is wrong with it, or only a restart can change it.
    #[error("{}", self.problems().join("\n"))]
    Refused {
        /// What is wrong: mistakes, components that do not load, addresses that cannot be bound.
        mistakes: Option<Mistakes>,
        /// The keys that only a restart can change.
        restart: Vec<&'static str>,
    },
    /// The file of a tenant cannot be written.
    #[error("it cannot be written, so nothing was changed: {0}")]
    Write(String),
    /// The host's own code failed.
    #[error("the server failed to read it")]
    Lost,
}

// === impl ReloadError ===

impl ReloadError {
    pub(super) fn of(error: ConfigError) -> Self {
        match error {
            ConfigError::Read { path, source } => Self::Read { path, source },
            ConfigError::Mistakes(mistakes) => Self::Refused { mistakes: Some(mistakes), restart: Keys::new() },
        }
    }

    /// Whether it is right, and only a restart can make it what runs.
    pub fn needs_restart(&self) -> bool {
        matches!(self, Self::Refused { mistakes: None, .. })
    }

    /// Whether it is, among others, a certificate, a key, or what belongs to them.
    pub(super) fn is_of_certificates(&self) -> bool {
        let Self::Refused { mistakes: Some(mistakes), .. } = self else { return false };
        mistakes.iter().any(|mistake| mistake.place().key().starts_with("listener.tls"))
    }

    /// Everything that is wrong, one by one.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Read { .. } | Self::Write(_) | Self::Lost => vec![self.to_string()],
            Self::Refused { mistakes, restart } => {
                let mistakes = mistakes.iter().flat_map(Mistakes::iter).map(ToString::to_string);
                mistakes.chain(restart.iter().map(|key| format!("{key} was changed, which needs a restart"))).collect()
            }
        }
    }
}
