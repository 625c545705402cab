//! `bench report`: prints kept results again, and puts them into the documentation.

use crate::{config, report::Report, table};
use anyhow::Context;
use std::{fs, path::PathBuf};

const PAGE: &str = "host/docs/performance.md";
const START: &str = "<!-- Results: written by `bench report --write`. -->\n";
const END: &str = "<!-- End of the results. -->";

/// `bench report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Results that `bench run` kept.
    file: PathBuf,
    /// Whether to put them into the documentation.
    #[arg(long)]
    write: bool,
}

/// Prints, or writes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let text =
        fs::read_to_string(&options.file).with_context(|| format!("failed to read {}", options.file.display()))?;
    let tables = table::of(&serde_json::from_str::<Report>(&text).context("these are no results")?);
    if !options.write {
        println!("{tables}");
        return Ok(());
    }
    let page = config::root().join(PAGE);
    let text = fs::read_to_string(&page)?;
    fs::write(&page, replaced(&text, &tables).context("the page has no place for results")?)?;
    Ok(())
}

fn replaced(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n{}\n{END}{after}", tables.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_results_are_replaced() {
        let page = format!("a\n{START}old\n{END}\nb\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("a\n{START}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert_eq!(replaced("nothing", "new"), None);
    }
}
