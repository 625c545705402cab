//! Just enough Markdown: links, code spans, fenced blocks.

/// A fenced block: its language, its text, the line of its fence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A page, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The text outside of fenced blocks.
    pub(crate) prose: String,
    pub(crate) blocks: Vec<Block>,
}

// === impl Page ===

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut inside: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut inside) {
                (Some(language), None) => {
                    inside = Some(Block { language: language.trim().into(), text: String::new(), line: index + 1 });
                }
                (Some(_), Some(_)) => page.blocks.extend(inside.take()),
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => page.prose.extend([line, "\n"]),
            }
        }
        assert!(inside.is_none(), "a fenced block does not end");
        page
    }

    /// What stands between backticks outside of blocks.
    pub(crate) fn spans(&self) -> Vec<&str> {
        self.prose.split('`').skip(1).step_by(2).collect()
    }

    /// Where links outside of blocks and code spans lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let text: String = self.prose.split('`').step_by(2).collect::<Vec<_>>().join("code");
        text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    }

    /// The anchors of its headings, as forges make them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings =
            self.prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        let keep = |char: char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
        headings
            .map(|heading| {
                heading.to_lowercase().chars().filter(|char| keep(*char)).collect::<String>().replace(' ', "-")
            })
            .collect()
    }
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::parse(
        "# How it `works`: all\nA [link](a/b.md#c) and `code [x](y)`.\n```rust\nf[0](z)\n```\n[two\nlines](d)\n",
    );
    assert_eq!(page.links(), ["a/b.md#c", "d"]);
    assert_eq!(page.spans(), ["works", "code [x](y)"]);
    assert_eq!(page.blocks, [Block { language: "rust".into(), text: "f[0](z)\n".into(), line: 3 }]);
    assert_eq!(page.anchors(), ["how-it-works-all"]);
}
