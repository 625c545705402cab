//! Frames on their way to one socket: encoded, in order, not to be taken back.

use crate::{
    compression::{CompressOnce, Deflate, Deflater},
    connection::Writer,
    framing::{EncodedFrame, FrameHeader},
};
use bytes::{Buf, Bytes, BytesMut};
use socklet_core::Opcode;
use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

/// Smaller payloads are copied behind their headers, larger ones that others share are written from where they are.
const COPY_BELOW: usize = 4096;

/// The first allocation of a buffer: some frames of a few hundred bytes.
const FIRST: usize = 512;

/// Slices that one write takes.
const SLICES: usize = 64;

/// The socket's half to write to, and what is to be written. Holds memory only while there is something.
pub(crate) struct Output {
    writer: Writer,
    /// Where compression was agreed on. What is compressed must be written: hence here, where nothing is taken back.
    deflater: Option<Box<Deflater>>,
    segments: VecDeque<Bytes>,
    /// Behind the segments.
    tail: BytesMut,
    len: usize,
}

// === impl Output ===

impl Output {
    pub(crate) fn new(writer: Writer, deflate: Option<Deflate>) -> Self {
        let deflater = deflate.map(|deflate| Box::new(Deflater::new(deflate)));
        Self { writer, deflater, segments: VecDeque::new(), tail: BytesMut::new(), len: 0 }
    }

    /// Bytes that are not written yet.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What compression holds on to, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.deflater.as_ref().map_or(0, |deflater| deflater.memory())
    }

    /// Adds a frame that others may share, and with it, if it is a message, its compressed forms.
    pub(super) fn push(&mut self, frame: &EncodedFrame, once: Option<&CompressOnce>) {
        if let Some(opcode) = frame.whole_message()
            && let Some(deflater) = &mut self.deflater
            && let Some(compressed) = deflater.compress(frame.payload(), once)
        {
            return self.append(FrameHeader::new(opcode, true, compressed.len()).compressed().as_bytes(), &compressed);
        }
        if frame.payload().len() < COPY_BELOW {
            self.append(frame.header(), frame.payload());
        } else {
            self.append(frame.header(), &[]);
            self.len += frame.payload().len();
            self.segments.push_back(self.tail.split().freeze());
            self.segments.push_back(frame.payload().clone());
        }
    }

    /// Adds a message, encoded from where its payload lies.
    pub(super) fn encode(&mut self, opcode: Opcode, payload: &[u8]) {
        if let Some(deflater) = &mut self.deflater
            && let Some(compressed) = deflater.compress(payload, None)
        {
            return self.append(FrameHeader::new(opcode, true, compressed.len()).compressed().as_bytes(), &compressed);
        }
        self.append(FrameHeader::new(opcode, true, payload.len()).as_bytes(), payload);
    }

    fn append(&mut self, header: &[u8], payload: &[u8]) {
        let len = header.len() + payload.len();
        if self.tail.capacity() - self.tail.len() < len {
            self.tail.reserve(len.max(FIRST));
        }
        self.tail.extend_from_slice(header);
        self.tail.extend_from_slice(payload);
        self.len += len;
    }

    /// Writes some; wakes the task where that is not possible now. Without a context, who does not write is told so by
    /// `Pending` and nobody is woken.
    pub(super) fn poll_write(&mut self, cx: Option<&mut Context<'_>>) -> Poll<io::Result<usize>> {
        let written = if self.segments.is_empty() {
            let slice = [IoSlice::new(&self.tail)];
            ready!(write(&mut self.writer, cx, &slice))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
            let mut count = 0;
            for (slice, segment) in slices.iter_mut().zip(self.segments.iter().map(|bytes| &bytes[..]).chain(tail)) {
                *slice = IoSlice::new(segment);
                count += 1;
            }
            ready!(write(&mut self.writer, cx, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn wrote(&mut self, written: usize) {
        self.len -= written;
        if self.len == 0 {
            // An idle connection holds no buffers.
            (self.segments, self.tail) = (VecDeque::new(), BytesMut::new());
            return;
        }
        let mut rest = written;
        while let Some(first) = self.segments.front_mut() {
            if rest < first.len() {
                first.advance(rest);
                return;
            }
            rest -= first.len();
            self.segments.pop_front();
        }
        self.tail.advance(rest);
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_shutdown(cx)
    }
}

fn write(writer: &mut Writer, cx: Option<&mut Context<'_>>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    match cx {
        Some(cx) => writer.poll_write(cx, slices),
        None => match writer.try_write(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            written => Poll::Ready(written),
        },
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len).finish_non_exhaustive()
    }
}
