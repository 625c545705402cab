//! The standard outputs. Nothing else writes to them, but for the log.

use std::{fmt, io::Write};

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

/// Writes a text and a new line to the standard error output.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Rows as lines, in columns that are as wide as they have to be. The first row has the names of the columns.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut lines = Vec::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

/// A cell that may be empty: then it is a dash.
pub(super) fn cell(value: Option<&(impl fmt::Display + ?Sized)>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}
