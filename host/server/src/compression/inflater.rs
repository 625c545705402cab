//! Makes a client's compressed messages whole again, RFC 7692 section 7.2.2, a step at a time.

use flate2::{Decompress, FlushDecompress, Status};
use std::{cell::Cell, fmt};

/// How much is inflated before somebody looks at it.
const STEP: usize = 4096;

/// What a compressor took off the end of each message (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What an inflater holds on to, in bytes: always a window of 32 KiB, however small the one that was agreed on, and tables.
const MEMORY: usize = 48 * 1024;

thread_local! {
    /// An inflater that nobody needs at the moment: messages that are compressed on their own come one after the other, and need
    /// no more than one for each thread.
    static SPARE: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
}

/// Inflates the messages of one client. Holds memory from the first compressed message on; without context takeover, only while
/// part of a message is here.
#[derive(Default)]
pub(crate) struct Inflater {
    stream: Option<Box<Decompress>>,
    /// Something came that the tail completes.
    begun: bool,
}

/// Why inflating stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError<E> {
    /// There is more than was asked for.
    Overflow,
    /// It is not DEFLATE, or it ends in the middle.
    Invalid,
    /// Whoever takes what was inflated does not want it.
    Refused(E),
}

/// A message ends in the middle of something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

// === impl Inflater ===

impl Inflater {
    /// Inflates a part of a message and hands it on in order, in pieces of at most 4 KiB and at most `room` bytes together. However
    /// a message is cut into parts, it fails after the same byte of what it holds, for the same reason.
    ///
    /// A stream of blocks that ends with a last one (section 7.2.3.4) is followed by a new one, which does not refer to what was
    /// before it.
    ///
    /// # Errors
    ///
    /// See [`InflateError`]. The inflater is of no use after one.
    pub(crate) fn inflate<E>(
        &mut self,
        mut input: &[u8],
        mut room: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), InflateError<E>> {
        let stream = self.stream.get_or_insert_with(stream);
        let mut step = [0; STEP];
        loop {
            // One byte more than there is room for tells a message that ends here from one that does not.
            let wanted = STEP.min(room.saturating_add(1));
            let before = (stream.total_in(), stream.total_out());
            let outcome = stream.decompress(input, &mut step[..wanted], FlushDecompress::Sync);
            let taken = (stream.total_in() - before.0) as usize; // at most the input
            let made = (stream.total_out() - before.1) as usize; // at most a step
            input = &input[taken..];
            take(&step[..made.min(room)]).map_err(InflateError::Refused)?;
            room = room.checked_sub(made).ok_or(InflateError::Overflow)?;
            self.begun |= taken > 0;
            match outcome {
                Err(_) => return Err(InflateError::Invalid),
                Ok(Status::StreamEnd) => {
                    stream.reset(false);
                    self.begun = false;
                }
                Ok(_) if made == wanted => continue, // there may be more to come of what was taken
                Ok(_) if taken == 0 && made == 0 && !input.is_empty() => return Err(InflateError::Invalid),
                Ok(_) => {}
            }
            if input.is_empty() {
                return Ok(());
            }
        }
    }

    /// The message is complete. Without context takeover, its memory is given back.
    ///
    /// # Errors
    ///
    /// Where what arrived ends in the middle of something, as far as that can be told.
    pub(crate) fn finish(&mut self, takeover: bool) -> Result<(), Truncated> {
        if self.begun {
            // All that is complete was handed on: what comes of the tail was a part of something else.
            self.inflate(&TAIL, 0, |_| Ok(())).map_err(|_: InflateError<()>| Truncated)?;
            self.begun = false;
        }
        if !takeover {
            self.give_back();
        }
        Ok(())
    }

    /// Forgets what was inflated so far, and gives its memory back.
    pub(crate) fn give_back(&mut self) {
        self.begun = false;
        if let Some(mut stream) = self.stream.take() {
            stream.reset(false);
            SPARE.set(Some(stream));
        }
    }

    /// The bytes that it holds on to.
    pub(crate) fn memory(&self) -> usize {
        if self.stream.is_some() { MEMORY } else { 0 }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("memory", &self.memory()).finish_non_exhaustive()
    }
}

/// An inflater at the beginning of a stream without a header.
fn stream() -> Box<Decompress> {
    SPARE.take().unwrap_or_else(|| Box::new(Decompress::new(false)))
}
