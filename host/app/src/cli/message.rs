//! The message that a command sends: from its arguments, a file or the standard input.

use super::{client::Content, exit::Failure};
use anyhow::{Context, anyhow};
use clap::Args;
use std::{
    fs::File,
    io::{IsTerminal, Read, stdin},
    path::PathBuf,
};

#[derive(Debug, Args)]
pub(super) struct Message {
    /// The text. Without it and without a file, the standard input.
    #[arg(conflicts_with = "file")]
    text: Option<String>,
    /// A file to send.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Send bytes, not a text.
    #[arg(long)]
    binary: bool,
}

/// The most that is read: what the server takes.
const MAX: u64 = 16 << 20;

// === impl Message ===

impl Message {
    pub(super) fn read(self) -> Result<Content, Failure> {
        let bytes = match (self.text, self.file) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(path)) => {
                let failed = || format!("failed to read {}", path.display());
                read(File::open(&path).with_context(failed)?).with_context(failed)?
            }
            (None, None) if stdin().is_terminal() => {
                return Err(anyhow!("say what to send: a text, --file, or something on the standard input").into());
            }
            (None, None) => read(stdin().lock()).context("failed to read the standard input")?,
        };
        if bytes.len() as u64 > MAX {
            return Err(anyhow!("too large for a message: at most {MAX} bytes").into());
        }
        if !self.binary && std::str::from_utf8(&bytes).is_err() {
            return Err(anyhow!("a text must be UTF-8; send bytes with --binary").into());
        }
        let media_type = if self.binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        Ok(Content { media_type, bytes: bytes.into() })
    }
}

fn read(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
