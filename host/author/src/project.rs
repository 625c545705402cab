//! A project: what its `plugin.toml` says.

use crate::{AuthorError, Kind, Language};
use serde::Deserialize;
use std::{
    fs, io,
    path::{self, Path, PathBuf},
};

/// What a project's file is called.
pub const MANIFEST: &str = "plugin.toml";

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// What the component is called: 1 to 63 of a-z, 0-9, '-' and '_'.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// What it is for.
    pub kind: Kind,
    /// What it exports beside the hooks of its kind.
    pub exports: Vec<OptionalExport>,
}

/// An optional export of a behavior: an interface of `optional.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptionalExport {
    /// Sees every frame.
    Frames,
    /// Saves and loads.
    State,
    /// Has timers.
    TimerEvents,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    language: Language,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    exports: Vec<OptionalExport>,
}

// === impl Project ===

impl Project {
    /// Reads the `plugin.toml` of a folder.
    ///
    /// # Errors
    ///
    /// When there is none, or it has a mistake.
    pub fn read(folder: &Path) -> Result<Self, AuthorError> {
        // Tools are run in other folders.
        let folder = path::absolute(folder).map_err(|error| AuthorError::File { path: folder.to_owned(), error })?;
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AuthorError::NoProject(path.clone()),
            _ => AuthorError::File { path: path.clone(), error },
        })?;
        let mistake = |at: usize, message: String| {
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            AuthorError::Manifest { path: path.clone(), line, message }
        };
        let Manifest { name, language, kind, exports } = toml_edit::de::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            mistake(at, error.message().replace('\n', ", "))
        })?;
        if !is_name(&name) {
            return Err(mistake(text.find("name").unwrap_or(0), AuthorError::Name(name).to_string()));
        }
        if kind == Kind::Authenticator && !exports.is_empty() {
            return Err(mistake(text.find("exports").unwrap_or(0), "exports: an authenticator has none".to_owned()));
        }
        Ok(Self { folder, name, language, kind, exports })
    }

    /// The component that a build makes.
    pub fn component(&self) -> PathBuf {
        self.folder.join("build").join(format!("{}.wasm", self.name))
    }

    /// What is written anew by each build: contract, SDK, bindings.
    pub fn generated(&self) -> PathBuf {
        self.folder.join(".socklet")
    }
}

// === impl OptionalExport ===

impl OptionalExport {
    /// The interface's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::State => "state",
            Self::TimerEvents => "timer-events",
        }
    }
}

/// Whether a plugin may be called so: what every language can make a package of.
pub(crate) fn is_name(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    name.len() <= 63 && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) && name.bytes().all(rest)
}
