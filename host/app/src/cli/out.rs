//! The standard outputs. Nothing else writes to them, but for the log.

use std::io::Write;

/// Writes a text and a new line to the standard output.
pub(super) fn print(text: &str) {
    // A reader that went away, such as `head`, is no failure.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes data as indented JSON to the standard output.
pub(super) fn print_json(data: &impl serde::Serialize) {
    match serde_json::to_string_pretty(data) {
        Ok(text) => print(&text),
        Err(error) => complain(&format!("socklet: failed to write JSON: {error}")),
    }
}

/// Shows how something goes on, in the place of what was shown before; an empty text takes it away. For terminals.
pub(super) fn progress(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[2K{text}");
    let _ = stderr.flush();
}

/// Writes a text and a new line to the standard error output.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
