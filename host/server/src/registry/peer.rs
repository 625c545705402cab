//! One connection as everybody but its own task sees it: phase, outbox, attachment.

use crate::{
    Metrics,
    framing::{EncodedFrame, OutboundFragments},
};
use bytes::Bytes;
use socklet_core::{CloseReason, ConnectionId, Opcode, Principal, SendError};
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// The most bytes of an attachment.
const MAX_ATTACHMENT: usize = 16 * 1024;

/// The most topics that one connection is in.
pub(super) const MAX_TOPICS: usize = 128;

/// One connection. Shared between its task, which writes what is queued, and whoever sends to it.
pub(crate) struct Peer {
    id: ConnectionId,
    principal: Option<Arc<Principal>>,
    max_queued: usize,
    /// How many connections of the route are open.
    open: Arc<AtomicUsize>,
    metrics: Metrics,
    state: Mutex<State>,
    /// Wakes the connection's task: there is something to write, or to close.
    changed: Notify,
    /// Wakes those who wait for a flush.
    written: Notify,
}

struct State {
    phase: Phase,
    queue: VecDeque<EncodedFrame>,
    /// Bytes in `queue`, and those that the task took and has not written yet.
    queued_bytes: usize,
    /// Frames ever queued and ever written.
    queued_frames: u64,
    written_frames: u64,
    fragments: OutboundFragments,
    messages_sent: u64,
    close: Option<CloseReason>,
    attachment: Bytes,
    topics: Vec<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `on-open`.
    Opening,
    Open,
    /// The closing handshake has begun, or the socket is gone.
    Closing,
}

/// Frames that the task took to write them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) frames: Vec<EncodedFrame>,
    pub(crate) bytes: usize,
}

// === impl Peer ===

impl Peer {
    pub(super) fn new(
        id: ConnectionId,
        principal: Option<Arc<Principal>>,
        max_queued: usize,
        open: Arc<AtomicUsize>,
        metrics: Metrics,
    ) -> Self {
        let state = State {
            phase: Phase::Opening,
            queue: VecDeque::new(),
            queued_bytes: 0,
            queued_frames: 0,
            written_frames: 0,
            fragments: OutboundFragments::default(),
            messages_sent: 0,
            close: None,
            attachment: Bytes::new(),
            topics: Vec::new(),
        };
        let (changed, written) = (Notify::new(), Notify::new());
        Self { id, principal, max_queued, open, metrics, state: Mutex::new(state), changed, written }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    /// From now on it can be sent to.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if state.phase == Phase::Opening {
            state.phase = Phase::Open;
            self.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues a complete message, encoded.
    pub(super) fn send(&self, opcode: Opcode, frame: EncodedFrame) -> Result<(), SendError> {
        let mut state = self.state();
        state.check_open()?;
        state.fragments.allow_message()?;
        self.push(&mut state, frame)?;
        state.messages_sent += 1;
        drop(state);
        self.metrics.message_sent(opcode);
        Ok(())
    }

    /// Queues one frame, which may be a fragment.
    pub(super) fn send_frame(&self, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        let mut state = self.state();
        state.check_open()?;
        let fragments = state.fragments.after(opcode, fin, payload)?;
        let completed = state.fragments.completes(opcode, fin);
        self.push(&mut state, EncodedFrame::frame(opcode, fin, Bytes::copy_from_slice(payload)))?;
        state.fragments = fragments;
        if let Some(opcode) = completed {
            state.messages_sent += 1;
            self.metrics.message_sent(opcode);
        }
        Ok(())
    }

    fn push(&self, state: &mut State, frame: EncodedFrame) -> Result<(), SendError> {
        let bytes = frame.len();
        if bytes > self.max_queued {
            return Err(SendError::TooLarge);
        }
        if state.queued_bytes + bytes > self.max_queued {
            // The only policy so far: `SlowConsumer::Close`.
            self.metrics.slow_consumer("close");
            self.close_in(state, CloseReason::SlowConsumer);
            return Err(SendError::Full);
        }
        state.queue.push_back(frame);
        state.queued_bytes += bytes;
        state.queued_frames += 1;
        self.metrics.queue_bytes.inc_by(bytes as i64);
        self.changed.notify_one();
        Ok(())
    }

    /// Starts the closing handshake. The first reason wins; whether this is the first.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        self.close_in(&mut self.state(), reason)
    }

    /// As [`Peer::close`], for a plugin: only while the connection is open.
    pub(super) fn close_open(&self, reason: CloseReason) -> Result<(), SendError> {
        let mut state = self.state();
        match state.phase {
            Phase::Opening => Err(SendError::NotOpen),
            Phase::Closing if state.close.is_none() => Err(SendError::Unknown),
            Phase::Open | Phase::Closing => {
                self.close_in(&mut state, reason);
                Ok(())
            }
        }
    }

    /// The socket is gone or the client has closed: nothing can be sent any more. Idempotent.
    pub(crate) fn shut(&self) {
        self.leave_open(&mut self.state());
    }

    fn close_in(&self, state: &mut State, reason: CloseReason) -> bool {
        let first = state.close.is_none() && state.phase != Phase::Closing;
        if first {
            if matches!(reason, CloseReason::SlowConsumer) {
                // It would not be read in time: the close frame goes next.
                self.discard(state);
            }
            state.close = Some(reason);
            self.leave_open(state);
            self.changed.notify_one();
        }
        first
    }

    fn leave_open(&self, state: &mut State) {
        if state.phase == Phase::Open {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        state.phase = Phase::Closing;
    }

    /// Why the host closes it, once that is so.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.state().close.clone()
    }

    /// Waits for something to write or a reason to close. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes frames to write: about `target` bytes, at least one frame if there is one. They count as queued until
    /// [`Peer::wrote`].
    pub(crate) fn take(&self, target: usize) -> Batch {
        let mut state = self.state();
        let mut batch = Batch::default();
        while batch.bytes < target {
            let Some(frame) = state.queue.pop_front() else { break };
            batch.bytes += frame.len();
            batch.frames.push(frame);
        }
        batch
    }

    /// A batch of this size is on the socket.
    pub(crate) fn wrote(&self, frames: u64, bytes: usize) {
        let mut state = self.state();
        state.written_frames += frames;
        state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
        drop(state);
        self.metrics.queue_bytes.dec_by(bytes as i64);
        self.written.notify_waiters();
    }

    /// Waits until everything that is queued now was written.
    pub(super) async fn flush(&self) -> Result<(), SendError> {
        let target = {
            let state = self.state();
            state.check_open()?;
            state.queued_frames
        };
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            {
                let state = self.state();
                if state.written_frames >= target {
                    return Ok(());
                }
                if state.phase == Phase::Closing && state.queue.is_empty() && state.queued_bytes == 0 {
                    return Err(SendError::Unknown);
                }
            }
            written.await;
        }
    }

    pub(crate) fn queued(&self) -> u64 {
        self.state().queued_bytes as u64
    }

    pub(crate) fn messages_sent(&self) -> u64 {
        self.state().messages_sent
    }

    /// Gives up what is queued: it cannot be written any more. Ends every flush.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        self.leave_open(&mut state);
        self.discard(&mut state);
        let rest = std::mem::take(&mut state.queued_bytes);
        drop(state);
        self.metrics.queue_bytes.dec_by(rest as i64);
        self.written.notify_waiters();
    }

    /// Drops the frames that nobody took yet.
    fn discard(&self, state: &mut State) {
        let bytes: usize = state.queue.drain(..).map(|frame| frame.len()).sum();
        state.queued_bytes -= bytes;
        self.metrics.queue_bytes.dec_by(bytes as i64);
    }

    pub(super) fn attachment(&self) -> Bytes {
        self.state().attachment.clone()
    }

    pub(super) fn set_attachment(&self, value: Bytes) -> Result<(), SendError> {
        if value.len() > MAX_ATTACHMENT {
            return Err(SendError::Full);
        }
        // A copy: the value must not hold on to whatever buffer it came in.
        self.state().attachment = Bytes::copy_from_slice(&value);
        Ok(())
    }

    /// The names of its topics. Changed only under the lock of the route's topics.
    pub(super) fn with_topics<T>(&self, change: impl FnOnce(&mut Vec<Arc<str>>, bool) -> T) -> T {
        let state = &mut *self.state();
        change(&mut state.topics, state.phase == Phase::Open)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Held for a few instructions, never across an await.
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn check_open(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Opening => Err(SendError::NotOpen),
            Phase::Open => Ok(()),
            Phase::Closing => Err(SendError::Unknown),
        }
    }
}
