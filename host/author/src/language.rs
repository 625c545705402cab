//! The languages that plugins are written in, and the kinds of plugins.

use serde::Deserialize;
use std::{fmt, str::FromStr};

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, for wasm32-wasip2.
    Rust,
    /// JavaScript, run by QuickJS.
    Js,
    /// TypeScript: as JavaScript, after its types were checked.
    Ts,
    /// Python, run by CPython.
    Python,
    /// Go.
    Go,
    /// C, by clang.
    C,
}

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What a connection does.
    #[default]
    Behavior,
    /// Who may connect.
    Authenticator,
}

// === impl Language ===

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Rust, Self::Js, Self::Ts, Self::Python, Self::Go, Self::C];

    /// What it is called on the command line and in `plugin.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

impl Language {
    /// What people call it.
    pub fn described(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::C => "C",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|language| language.as_str() == text);
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

// === impl Kind ===

impl Kind {
    /// What it is called on the command line and in `plugin.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behavior => "behavior",
            Self::Authenticator => "authenticator",
        }
    }
}

impl Kind {
    /// With its article.
    pub fn described(self) -> &'static str {
        match self {
            Self::Behavior => "a behavior",
            Self::Authenticator => "an authenticator",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
