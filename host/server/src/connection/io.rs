//! The socket of one connection: bytes in, frames out, both from one task.

use crate::framing::EncodedFrame;
use bytes::{Buf, Bytes, BytesMut};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

/// What one read asks for, unless a large frame is on its way.
const READ: usize = 4096;

/// What one read asks for at most.
const READ_MAX: usize = 64 * 1024;

/// Smaller payloads are copied behind their headers, larger ones are written from where they are.
const COPY_BELOW: usize = 4096;

/// Slices that one write takes.
const SLICES: usize = 16;

/// A socket, what was read and not decoded, what was encoded and not written.
#[derive(Debug)]
pub(super) struct Io<S> {
    stream: S,
    pub(super) input: BytesMut,
    segments: VecDeque<Bytes>,
    tail: BytesMut,
    /// Bytes ever given to write, and ever written.
    given: u64,
    written: u64,
    /// Whether the last turn wrote: then it is reading's turn.
    wrote: bool,
    /// Nothing can be written any more, though there may still be something to read.
    deaf: bool,
}

/// What the socket did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Read,
    Wrote(usize),
    /// A write failed: what is given from now on is dropped.
    Deaf,
    /// Nothing more comes.
    Gone,
}

// === impl Io ===

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// A socket, and what was read from it already.
    pub(super) fn new(stream: S, input: Bytes) -> Self {
        let input = BytesMut::from(input);
        let (segments, tail) = (VecDeque::new(), BytesMut::new());
        Self { stream, input, segments, tail, given: 0, written: 0, wrote: false, deaf: false }
    }

    /// Gives a frame to write.
    pub(super) fn give(&mut self, frame: &EncodedFrame) {
        if self.deaf {
            return;
        }
        self.given += frame.len() as u64;
        if frame.payload().len() < COPY_BELOW {
            frame.write(&mut self.tail);
        } else {
            self.tail.extend_from_slice(frame.header());
            self.segments.push_back(self.tail.split().freeze());
            self.segments.push_back(frame.payload().clone());
        }
    }

    /// Whether a write failed.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Bytes given and not written yet.
    pub(super) fn unwritten(&self) -> usize {
        (self.given - self.written) as usize
    }

    /// Bytes ever given and ever written.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.given, self.written)
    }

    /// Writes what is there to write, and reads when asked to: about `hint` bytes. Neither keeps the other waiting for long.
    /// Cancel-safe.
    pub(super) async fn turn(&mut self, read: bool, hint: usize) -> Turn {
        poll_fn(|cx| {
            if std::mem::take(&mut self.wrote)
                && read
                && let Poll::Ready(turn) = self.poll_read(cx, hint)
            {
                return Poll::Ready(turn);
            }
            if self.unwritten() > 0
                && let Poll::Ready(turn) = self.poll_write(cx)
            {
                return Poll::Ready(turn);
            }
            if read { self.poll_read(cx, hint) } else { Poll::Pending }
        })
        .await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment);
            count += 1;
        }
        let written = match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count])) {
            Ok(0) | Err(_) => {
                self.deaf = true;
                self.given = self.written;
                (self.segments, self.tail) = (VecDeque::new(), BytesMut::new());
                return Poll::Ready(Turn::Deaf);
            }
            Ok(written) => written,
        };
        self.wrote = true;
        self.written += written as u64;
        let mut rest = written;
        while rest > 0 {
            let Some(first) = self.segments.front_mut() else { break };
            if rest < first.len() {
                first.advance(rest);
                break;
            }
            rest -= first.len();
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            // An idle connection holds no buffers.
            (self.segments, self.tail) = (VecDeque::new(), BytesMut::new());
        }
        Poll::Ready(Turn::Wrote(written))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, hint: usize) -> Poll<Turn> {
        self.input.reserve(hint.clamp(READ, READ_MAX));
        let read = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        match ready!(read) {
            Ok(0) | Err(_) => Poll::Ready(Turn::Gone),
            Ok(_) => Poll::Ready(Turn::Read),
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await; // a socket that is gone already is fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_core::{Message, Opcode};
    use tokio::io::{duplex, join, repeat, sink};

    fn frame() -> EncodedFrame {
        EncodedFrame::frame(Opcode::Binary, true, Bytes::from_static(&[0; 100]))
    }

    #[tokio::test]
    async fn endless_output_does_not_keep_the_input_waiting_nor_the_other_way_round() {
        let mut io = Io::new(join(repeat(0), sink()), Bytes::new());
        let (mut read, mut wrote) = (0, 0);
        for _ in 0..100 {
            io.give(&frame());
            match io.turn(true, 0).await {
                Turn::Read => read += 1,
                Turn::Wrote(_) => wrote += 1,
                turn => panic!("{turn:?}"),
            }
            io.input.clear();
        }
        assert_eq!((read, wrote), (50, 50));
    }

    #[tokio::test]
    async fn what_can_be_read_after_a_failed_write_is_read() {
        let (ours, theirs) = duplex(1000);
        let mut client = Io::new(ours, Bytes::new());
        client.give(&EncodedFrame::message(Message::Text("last".into()).as_ref()));
        assert_eq!(client.turn(false, 0).await, Turn::Wrote(6));
        drop(client);
        let mut io = Io::new(theirs, Bytes::new());
        io.give(&frame());
        assert_eq!(io.turn(true, 0).await, Turn::Deaf);
        assert!(io.is_deaf());
        io.give(&frame());
        assert_eq!(io.unwritten(), 0);
        assert_eq!(io.turn(true, 0).await, Turn::Read);
        assert_eq!(&io.input[2..], b"last");
        assert_eq!(io.turn(true, 0).await, Turn::Gone);
    }
}
