//! Makes messages smaller, RFC 7692 section 7.2.1.

use super::{CompressOnce, Deflate, Level, WindowBits};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use std::{cell::Cell, fmt};

/// What a flush ends with, and what is left out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

thread_local! {
    /// A compressor that nobody needs at the moment, at the beginning of a stream.
    static SPARE: Cell<Option<(WindowBits, Level, Box<Compress>)>> = const { Cell::new(None) };
}

/// Compresses the messages for one client. Holds no memory until it has compressed one, and never any without context takeover.
pub(crate) struct Deflater {
    deflate: Deflate,
    stream: Option<Box<Compress>>,
}

// === impl Deflater ===

impl Deflater {
    /// For a connection that has agreed on this.
    pub(crate) fn new(deflate: Deflate) -> Self {
        Self { deflate, stream: None }
    }

    /// What to send in place of the payload of a whole message: in one frame, with RSV1 set (section 6). None when the message is
    /// to be sent as it is, which is always allowed: it is below the threshold, or would not become smaller.
    ///
    /// What one message says, the next refers to: with context takeover every message that is compressed must be sent, and in this
    /// order. So ask at the moment when the frame goes to the socket, not when it is queued.
    ///
    /// `shared` is what a fan-out keeps beside its message. A connection without context takeover takes the compressed form from
    /// there, or leaves it there for the next; one with it compresses on its own.
    pub(crate) fn compress(&mut self, payload: &[u8], shared: Option<&CompressOnce>) -> Option<Bytes> {
        let Deflate { threshold, server_no_context_takeover, server_max_window_bits, level, .. } = self.deflate;
        if payload.len() < threshold.max(1) {
            return None;
        }
        if server_no_context_takeover {
            return match shared {
                Some(shared) => shared.compress(payload, server_max_window_bits, level),
                None => compress_alone(payload, server_max_window_bits, level),
            };
        }
        let stream = self.stream.take().unwrap_or_else(|| stream(server_max_window_bits, level));
        let (stream, compressed) = compress(stream, payload);
        self.stream = stream;
        compressed
    }

    /// The bytes that it holds on to.
    pub(crate) fn memory(&self) -> usize {
        // Twice the window and as much for chains; hashes, symbols and what is pending.
        if self.stream.is_some() { (4 << self.deflate.server_max_window_bits.get()) + 247 * 1024 } else { 0 }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("deflate", &self.deflate).field("memory", &self.memory()).finish()
    }
}

/// Compresses a message without any before it; none when it does not become smaller.
pub(super) fn compress_alone(payload: &[u8], bits: WindowBits, level: Level) -> Option<Bytes> {
    let (stream, compressed) = compress(stream(bits, level), payload);
    if let Some(mut stream) = stream {
        stream.reset();
        SPARE.set(Some((bits, level, stream)));
    }
    compressed
}

fn stream(bits: WindowBits, level: Level) -> Box<Compress> {
    match SPARE.take() {
        Some((spare_bits, spare_level, stream)) if (spare_bits, spare_level) == (bits, level) => stream,
        _ => Box::new(Compress::new_with_window_bits(Compression::new(level.get().into()), false, bits.get())),
    }
}

/// Compresses a payload that is not empty; none when it does not become smaller. Returns the compressor, too, if what it has seen
/// is what the client will have seen.
fn compress(mut stream: Box<Compress>, payload: &[u8]) -> (Option<Box<Compress>>, Option<Bytes>) {
    // A flush is complete when it leaves room, and something smaller than the payload does.
    let mut out = Vec::with_capacity(payload.len() + TAIL.len());
    let room = out.capacity();
    let complete = stream.compress_vec(payload, &mut out, FlushCompress::Sync).is_ok() && out.len() < room;
    match out.strip_suffix(&TAIL).map(<[u8]>::len) {
        Some(smaller) if complete && smaller < payload.len() => {
            out.truncate(smaller);
            // It may wait in a queue for long.
            out.shrink_to_fit();
            (Some(stream), Some(out.into()))
        }
        // Not even reset: zlib-rs 0.6.8 leaks room for its output when it is reset in the middle of it, until it panics.
        _ => (None, None),
    }
}
