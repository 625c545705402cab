//! Runs the tools of a language; one that is not there is told with what to install.

use crate::AuthorError;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Something to run.
#[derive(Debug)]
pub(crate) struct Tool {
    command: Command,
}

// === impl Tool ===

impl Tool {
    /// Finds the first of these commands.
    ///
    /// # Errors
    ///
    /// When there is none of them: `install` says what to do.
    pub(crate) fn find(language: &'static str, names: &[&str], install: &str) -> Result<Self, AuthorError> {
        let found = names.iter().find_map(|name| which::which(name).ok());
        let missing = || AuthorError::Missing { tool: names.join(" or "), language, install: install.to_owned() };
        found.map(|path| Self::at(&path)).ok_or_else(missing)
    }

    /// The command at a path.
    pub(crate) fn at(path: &PathBuf) -> Self {
        let mut command = Command::new(path);
        command.stdin(Stdio::null());
        Self { command }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end, and returns what it prints.
    pub(crate) fn output(mut self) -> Result<String, AuthorError> {
        let command = self.command.get_program().display().to_string();
        let failed = |status: String| AuthorError::Failed { command: command.clone(), status };
        let output = self.command.stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it to its end. What it prints goes to the standard error.
    pub(crate) fn run(mut self) -> Result<(), AuthorError> {
        let command = || format!("{:?}", self.command.get_program()).replace('"', "");
        let shown = command();
        self.command.stdout(std::io::stderr());
        let failed = |status: String| AuthorError::Failed { command: shown.clone(), status };
        let status = self.command.status().map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
    }
}
