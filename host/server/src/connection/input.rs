//! What was read and not decoded yet. One large buffer serves all connections of a thread: each has it while it is at work.

use super::socket::Reader;
use bytes::{Bytes, BytesMut};
use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_util::io::poll_read_buf;

/// What one read takes at most: a message of the default largest size with its header, and some more.
const READ: usize = 128 * 1024;

thread_local! {
    /// The buffer, while nobody has it.
    static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// The input of one connection. Between two looks at it, it holds memory only for what could not be decoded yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: BytesMut,
    /// Whether `bytes` is the thread's buffer.
    lent: bool,
}

// === impl Input ===

impl Input {
    /// What was read already.
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes: BytesMut::from(bytes), lent: false }
    }

    /// What is there to decode.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Reads once. To be called when everything that was there is decoded. None at the end.
    pub(super) fn poll_read(&mut self, reader: &mut Reader, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        if !self.lent {
            self.bytes = BUFFER.take();
            self.lent = true;
        }
        if self.bytes.capacity() < READ / 2 {
            // Takes back what decoded messages have given up, or begins anew while they are still in use.
            self.bytes.reserve(READ);
        }
        match ready!(poll_read_buf(Pin::new(reader), cx, &mut self.bytes)) {
            Ok(0) | Err(_) => Poll::Ready(None),
            Ok(read) => Poll::Ready(Some(read)),
        }
    }

    /// The connection's turn is over: keeps what is left, and gives the buffer back.
    pub(super) fn rest(&mut self) {
        if !self.lent {
            if self.bytes.is_empty() {
                self.bytes = BytesMut::new();
            }
            return;
        }
        self.lent = false;
        let rest = BytesMut::from(&self.bytes[..]);
        self.bytes.clear();
        BUFFER.set(std::mem::replace(&mut self.bytes, rest));
    }
}
