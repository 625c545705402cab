//! The host's log. Lines carry tenant, route and plugin; they are rate limited and cut at 4 KiB.

use crate::bindings::behavior_plugin::socklet::plugin::logging::{self, Level};

/// A line for the plugin's author.
pub fn debug(line: &str) {
    logging::log(Level::Debug, line);
}

/// A line worth knowing.
pub fn info(line: &str) {
    logging::log(Level::Info, line);
}

/// A line worth looking at.
pub fn warn(line: &str) {
    logging::log(Level::Warn, line);
}

/// A line about something that failed.
pub fn error(line: &str) {
    logging::log(Level::Error, line);
}

/// Logs a line for the plugin's author, formatted like `format!`.
#[macro_export]
macro_rules! debug {
    ($($line:tt)*) => { $crate::log::debug(&::std::format!($($line)*)) };
}

/// Logs a line worth knowing, formatted like `format!`.
#[macro_export]
macro_rules! info {
    ($($line:tt)*) => { $crate::log::info(&::std::format!($($line)*)) };
}

/// Logs a line worth looking at, formatted like `format!`.
#[macro_export]
macro_rules! warn {
    ($($line:tt)*) => { $crate::log::warn(&::std::format!($($line)*)) };
}

/// Logs a line about something that failed, formatted like `format!`.
#[macro_export]
macro_rules! error {
    ($($line:tt)*) => { $crate::log::error(&::std::format!($($line)*)) };
}
