//! Tables for people: columns that are as wide as they have to be.

use std::fmt;

/// A table with a heading for each column.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    pub(super) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned).into()] }
    }

    /// Adds a row. What is missing is shown as a dash.
    pub(super) fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { printable(&cell) }).into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&columns(&self.rows))
    }
}

/// Rows as lines, in columns that are as wide as they have to be. All rows have as many cells as the first.
pub(super) fn columns<R: AsRef<[String]>>(rows: &[R]) -> String {
    let count = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..count).map(width).collect();
    let line = |row: &R| {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A text without what a terminal would obey: names of principals and topics are a client's.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// Lines of names and values.
pub(super) fn lines(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let line = |(name, value): &(&str, String)| format!("{name:<width$}{}", printable(value)).trim_end().to_owned();
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Bytes for people: three digits, and a unit.
pub(super) fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" || value >= 100.0 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let mut table = Table::new(["ID", "NAME", "LAST"]);
        table.push(["1".into(), "äö".into(), String::new()]);
        table.push(["1000".into(), "\u{1b}[2Ja".into(), "x".into()]);
        assert_eq!(table.to_string(), "ID    NAME   LAST\n1     äö     -\n1000  \u{fffd}[2Ja  x");
        assert_eq!(lines(&[("id", "7".into()), ("route", "a/b".into())]), "id     7\nroute  a/b");
    }

    #[test]
    fn sizes_have_a_unit() {
        for (number, text) in [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (150 << 10, "150KiB"), (5 << 40, "5.0TiB")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
