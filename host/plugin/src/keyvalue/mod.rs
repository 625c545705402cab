//! Key-value stores: what a tenant keeps in them, and who keeps it.
//!
//! [`Keeper`] is all that the rest knows: what keeps the data can be a folder of files, as [`folder`] is, or something else.

mod file;
mod folder;
mod tables;

pub(crate) use folder::Folder;

use socklet_core::{BoxFuture, StoreName, Tenant, TenantName};
use std::{path::PathBuf, sync::Arc};

/// The most keys of one operation, and of one page of a list.
pub(crate) const MAX_KEYS: usize = 1_000;

/// Where key-value stores are, and what fits in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyvalueConfig {
    /// A private folder, one file in it for each tenant. Made when it is needed and not there. None: there are no stores.
    pub folder: Option<PathBuf>,
    /// Bytes of the longest key.
    pub key_max: usize,
    /// Bytes of the largest value.
    pub value_max: usize,
}

/// Keeps the stores of all tenants.
pub(crate) trait Keeper: Send + Sync {
    /// Those of one.
    fn of(&self, tenant: &TenantName) -> Arc<dyn Stores>;
}

/// The stores of one tenant. What was answered is there to stay.
pub(crate) trait Stores: Send + Sync {
    /// Does one thing, as a whole or not at all.
    fn run(&self, job: Job) -> BoxFuture<Result<Answer, StoreError>>;
}

/// What is to be done with a store.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) store: StoreName,
    pub(crate) operation: Operation,
    /// The most bytes that the tenant may have in all its stores.
    pub(crate) quota: Option<usize>,
    /// The most bytes of an answer.
    pub(crate) answer_max: usize,
}

#[derive(Debug)]
pub(crate) enum Operation {
    Get(Vec<String>),
    Exists(String),
    /// Keys in their order, those behind one.
    List {
        after: Option<String>,
    },
    Set(Vec<(String, Vec<u8>)>),
    Delete(Vec<String>),
    /// The value is a number, as text; none is 0.
    Increment {
        key: String,
        by: u64,
    },
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As many as keys were asked for.
    Values(Vec<Option<Vec<u8>>>),
    Exists(bool),
    Keys {
        keys: Vec<String>,
        /// There are more behind these.
        more: bool,
    },
    Done,
    Number(u64),
}

/// Why nothing came of it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the tenant's stores are full: they may have {0} bytes")]
    Full(usize),
    #[error("the values are larger than {0} bytes together: ask for fewer")]
    TooMuch(usize),
    #[error("the value is not a number from 0 to 18446744073709551615, or would not be one")]
    NotANumber,
    #[error("too many operations wait for the tenant's stores: try again later")]
    Busy,
    /// Told in full to the log.
    #[error("the stores cannot be used now: the host's log says why")]
    Failed,
}

/// The stores of a tenant that one plugin may use, and within which limits.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) names: Arc<[StoreName]>,
    pub(crate) key_max: usize,
    pub(crate) value_max: usize,
}

// === impl KeyvalueConfig ===

impl Default for KeyvalueConfig {
    fn default() -> Self {
        Self { folder: None, key_max: 1 << 10, value_max: 1 << 20 }
    }
}

// === impl Operation ===

impl Operation {
    /// Its name, for the metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Exists(_) => "exists",
            Self::List { .. } => "list",
            Self::Set(_) => "set",
            Self::Delete(_) => "delete",
            Self::Increment { .. } => "increment",
        }
    }

    /// Whether it changes something.
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Delete(_) | Self::Increment { .. })
    }

    /// Bytes that it carries.
    fn weight(&self) -> usize {
        match self {
            Self::Get(keys) | Self::Delete(keys) => keys.iter().map(String::len).sum(),
            Self::Exists(key) | Self::Increment { key, .. } => key.len(),
            Self::List { after } => after.as_ref().map_or(0, String::len),
            Self::Set(pairs) => pairs.iter().map(|(key, value)| key.len() + value.len()).sum(),
        }
    }
}

// === impl StoreError ===

impl StoreError {
    /// Its name, for the metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Full(_) => "quota",
            Self::TooMuch(_) | Self::NotANumber => "refused",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}
