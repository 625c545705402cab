//! Standard output and error of guests, line by line into the host's log.

use super::log::{GuestLog, Level, MAX_LINE};
use bytes::Bytes;
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What a guest may write before it has to ask again.
const CHUNK: usize = 64 << 10;

/// One of the two streams of one instance. Clones share the unfinished line.
#[derive(Clone)]
pub(crate) struct LineSink(Arc<Inner>);

struct Inner {
    log: Arc<GuestLog>,
    level: Level,
    stream: &'static str,
    // A std mutex: held for copying one chunk and never across an await.
    line: Mutex<Vec<u8>>,
}

// === impl LineSink ===

impl LineSink {
    pub(crate) fn stdout(log: Arc<GuestLog>) -> Self {
        Self::new(log, Level::Info, "stdout")
    }

    pub(crate) fn stderr(log: Arc<GuestLog>) -> Self {
        Self::new(log, Level::Warn, "stderr")
    }

    fn new(log: Arc<GuestLog>, level: Level, stream: &'static str) -> Self {
        Self(Arc::new(Inner { log, level, stream, line: Mutex::default() }))
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.0.line.lock().expect("appending to a line does not panic");
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            // What is over the longest line is cut from the log anyway.
            let room = MAX_LINE.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.0.finish(&mut line);
            }
        }
    }
}

impl IsTerminal for LineSink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineSink {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LineSink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineSink {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LineSink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// === impl Inner ===

impl Inner {
    fn finish(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        if !text.trim().is_empty() {
            self.log.line(self.level, self.stream, &text);
        }
        line.clear();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut line = std::mem::take(self.line.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()));
        self.finish(&mut line);
    }
}
