//! Where a configuration came from, so that it can be read again.

use super::{Config, ConfigError, Draft, Environment, Mistake, Mistakes, Place, TenantFile};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A file or a text, and the variables over it.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(super) path: PathBuf,
    /// None: it is in the file.
    text: Option<String>,
    pub(super) environment: Environment,
}

// === impl Origin ===

impl Origin {
    pub(super) fn of_file(path: &Path, environment: Environment) -> Self {
        Self { path: path.to_owned(), text: None, environment }
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.text.is_none().then_some(&*self.path)
    }

    /// Reads the configuration as it is now.
    pub(super) fn read(&self) -> Result<Draft, ConfigError> {
        match &self.text {
            Some(text) => Ok(Config::read(text, self)),
            None => Ok(Config::read(&text(&self.path)?, self)),
        }
    }

    /// The configuration in a text. Paths in it start from the folder of `path`.
    pub(super) fn read_text(text: &str, path: &Path, environment: Environment) -> Result<Config, Mistakes> {
        Config::read(text, &Self { path: path.to_owned(), text: Some(text.to_owned()), environment }).config
    }

    /// A tenant has a file of its own, and is in this one, too.
    pub(super) fn twice(&self, tenant: &TenantFile) -> Mistake {
        let TenantFile { name, file, .. } = tenant;
        let message = format!("the tenant {name} is in {}, too: write it in one of them", self.path.display());
        Mistake::new(Place::in_file(file.clone(), 1, ""), None, message)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text carries secrets.
        f.debug_struct("Origin").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is in a file.
pub(super) fn text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}
