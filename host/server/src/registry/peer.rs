//! One connection as everybody but its own task sees it: phase, outbox, attachment.

use super::{
    about::{About, Received},
    cork::Cork,
    outbox::{Outbox, Overflow, Sent},
    output::Output,
    shared::Shared,
};
use crate::{
    ConnectionState, Traffic,
    compression::{CompressOnce, Deflate},
    connection::Writer,
    framing::EncodedFrame,
};
use bytes::Bytes;
use socklet_core::{CloseReason, ConnectionId, EventId, MessageRef, Opcode, Principal, SendError};
use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};
use tokio::time::Instant;

/// The most bytes of an attachment.
const MAX_ATTACHMENT: usize = 16 * 1024;

/// The most topics that one connection is in.
pub(super) const MAX_TOPICS: usize = 128;

/// Writes in one go; then others get their turn.
const WRITES_IN_A_ROW: usize = 16;

/// One connection. Shared between its task, which owns its life, and whoever sends to it.
pub(crate) struct Peer {
    id: ConnectionId,
    principal: Option<Arc<Principal>>,
    shared: Arc<Shared>,
    cork: Arc<Cork>,
    about: Box<About>,
    received: Received,
    /// Bytes queued and not written; of these, those that the socket was given.
    queued: AtomicUsize,
    given: AtomicUsize,
    /// Whether there is a reason to close it.
    closed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Its task is at work, and writes before it rests.
    attended: bool,
    /// It waits in the cork.
    corked: bool,
    /// Its task does not read before something was written.
    thirsty: bool,
    /// The node gives it up.
    cut: bool,
    /// A write failed.
    broken: bool,
    close: Option<Box<CloseReason>>,
    outbox: Outbox,
    /// What the gauge of all queues has of this one: what a slow client leaves there.
    gauged: usize,
    /// The last time that something was written.
    wrote: Instant,
    /// The last time that messages were sent, and how many there were then.
    sent: Instant,
    sent_then: u64,
    task: Option<Waker>,
    /// Empty for most.
    attachment: Option<Box<Bytes>>,
    topics: Option<Box<Topics>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `on-open`.
    Opening,
    Open,
    /// The closing handshake has begun, or the socket is gone.
    Closing,
}

type Topics = Vec<Arc<str>>;

/// What a connection's task finds when it looks.
#[derive(Debug)]
pub(crate) struct Noticed {
    /// Somebody closes it.
    pub(crate) closing: bool,
    /// The node gives it up.
    pub(crate) cut: bool,
    /// Nothing can be written any more.
    pub(crate) broken: bool,
    /// The last time that something was written, and that a message was sent.
    pub(crate) wrote: Instant,
    pub(crate) sent: Instant,
    /// Since when the socket does not take what it was given.
    pub(crate) stalled: Option<Instant>,
    /// Whether everything that was queued is with the socket.
    pub(crate) given: bool,
    /// Whether everything is written.
    pub(crate) written: bool,
}

// === impl Peer ===

impl Peer {
    pub(super) fn new(
        id: ConnectionId,
        principal: Option<Arc<Principal>>,
        shared: Arc<Shared>,
        cork: Arc<Cork>,
        about: About,
    ) -> Self {
        let now = Instant::now();
        let state = State {
            phase: Phase::Opening,
            attended: false,
            corked: false,
            thirsty: false,
            cut: false,
            broken: false,
            close: None,
            outbox: Outbox::default(),
            gauged: 0,
            wrote: now,
            sent: now,
            sent_then: 0,
            task: None,
            attachment: None,
            topics: None,
        };
        let (received, queued, given, closed) = Default::default();
        let (about, state) = (Box::new(about), Mutex::new(state));
        Self { id, principal, shared, cork, about, received, queued, given, closed, state }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// What is known of it from its beginning.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// How far it is, and what went over it.
    pub(crate) fn look_at(&self) -> (ConnectionState, Traffic) {
        let (messages_received, bytes_received) = (self.received.messages(), self.received.bytes());
        let state = self.state();
        let phase = match state.phase {
            Phase::Opening => ConnectionState::Opening,
            Phase::Open => ConnectionState::Open,
            Phase::Closing => ConnectionState::Closing,
        };
        let (messages_sent, bytes_sent) = (state.outbox.messages_sent, state.outbox.written());
        (phase, Traffic { messages_received, bytes_received, messages_sent, bytes_sent })
    }

    /// What has arrived.
    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    /// Its socket is there.
    pub(crate) fn connect(&self, writer: Writer, deflate: Option<Deflate>) {
        self.state().outbox.connect(Box::new(Output::new(writer, deflate)));
    }

    /// From now on it can be sent to.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if state.phase == Phase::Opening {
            state.phase = Phase::Open;
            self.shared.open.fetch_add(1, Relaxed);
        }
    }

    /// Sends a complete message: encoded from where it lies.
    pub(super) fn send(self: &Arc<Self>, message: MessageRef<'_>) -> Result<(), SendError> {
        let mut state = self.state();
        state.check_open()?;
        let sent = state.outbox.message(message, &self.shared.outbox())?;
        self.sent(state, sent)?;
        self.shared.metrics.messages_sent(message.opcode(), 1);
        Ok(())
    }

    /// Sends a complete message that others get, too. Who calls it counts.
    pub(super) fn send_shared(
        self: &Arc<Self>,
        frame: &EncodedFrame,
        once: Option<&Arc<CompressOnce>>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        state.check_open()?;
        let sent = state.outbox.shared(frame, once, &self.shared.outbox())?;
        self.sent(state, sent)
    }

    /// Sends one frame, which may be a fragment.
    pub(super) fn send_frame(self: &Arc<Self>, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        let mut state = self.state();
        state.check_open()?;
        let (sent, completed) = state.outbox.frame(opcode, fin, payload, &self.shared.outbox())?;
        self.sent(state, sent)?;
        if let Some(opcode) = completed {
            self.shared.metrics.messages_sent(opcode, 1);
        }
        Ok(())
    }

    /// Something was added to the outbox, or was not: what follows.
    fn sent(self: &Arc<Self>, mut state: MutexGuard<'_, State>, sent: Sent) -> Result<(), SendError> {
        for _ in 0..sent.dropped {
            self.shared.metrics.slow_consumer("drop-oldest");
        }
        match sent.overflow {
            None => {
                self.mirror(&mut state);
                if !state.attended && !state.corked && !state.outbox.blocked {
                    state.corked = true;
                    drop(state);
                    self.cork.add(Arc::clone(self));
                }
                Ok(())
            }
            Some(Overflow::TooLarge) => Err(SendError::TooLarge),
            Some(Overflow::Dropped) => {
                self.shared.metrics.slow_consumer("drop-newest");
                Err(SendError::Full)
            }
            Some(Overflow::Close) => {
                self.shared.metrics.slow_consumer("close");
                self.close_in(state, CloseReason::SlowConsumer);
                Err(SendError::Full)
            }
        }
    }

    /// Starts the closing handshake. The first reason wins; whether this is the first.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        self.close_in(self.state(), reason)
    }

    /// As [`Peer::close`], for a plugin: only while the connection is open.
    pub(super) fn close_open(&self, reason: CloseReason) -> Result<(), SendError> {
        let state = self.state();
        match state.phase {
            Phase::Opening => Err(SendError::NotOpen),
            Phase::Closing if state.close.is_none() => Err(SendError::Unknown),
            Phase::Open | Phase::Closing => {
                self.close_in(state, reason);
                Ok(())
            }
        }
    }

    /// The node gives it up: its task ends now.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        state.cut = true;
        wake(state);
    }

    /// Its task should look.
    pub(crate) fn look(&self) {
        wake(self.state());
    }

    /// The socket is gone or the client has closed: nothing can be sent any more. Idempotent.
    pub(crate) fn shut(&self) {
        self.leave_open(&mut self.state());
    }

    fn close_in(&self, mut state: MutexGuard<'_, State>, reason: CloseReason) -> bool {
        let first = state.close.is_none() && state.phase != Phase::Closing;
        if first {
            if matches!(reason, CloseReason::SlowConsumer) {
                // It would not be read in time: the close frame goes next.
                state.outbox.discard();
                self.mirror(&mut state);
            }
            state.close = Some(Box::new(reason));
            self.closed.store(true, Relaxed);
            self.leave_open(&mut state);
            wake(state);
        }
        first
    }

    fn leave_open(&self, state: &mut State) {
        if state.phase == Phase::Open {
            self.shared.open.fetch_sub(1, Relaxed);
        }
        state.phase = Phase::Closing;
    }

    /// Whether the host closes it. What the same thread did before is seen.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Why the host closes it, once that is so.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.state().close.as_deref().cloned()
    }

    // --- for its task ---

    /// Its task is at work: what is sent now leaves when it [rests](Peer::rest).
    pub(crate) fn attend(&self, task: &Waker) -> Noticed {
        let mut state = self.state();
        state.attended = true;
        state.thirsty = false;
        if !state.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            state.task = Some(task.clone());
        }
        state.noticed()
    }

    /// Sends a frame of the host's: before what waits in the queue.
    pub(crate) fn control(&self, frame: &EncodedFrame) {
        let mut state = self.state();
        state.outbox.control(frame);
        self.mirror(&mut state);
    }

    /// Writes as much as the socket takes; wakes the task when it takes more. What its task finds then.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>, now: Instant) -> Noticed {
        self.write(Some(cx), now).noticed()
    }

    /// Its task rests. `thirsty`: it wants to be woken as soon as something was written.
    pub(crate) fn rest(self: &Arc<Self>, thirsty: bool) {
        let mut state = self.state();
        state.attended = false;
        state.thirsty = thirsty;
        if state.outbox.queued() > 0 && !state.outbox.blocked && !state.corked && !state.broken {
            // Somebody sent after the last write.
            state.corked = true;
            drop(state);
            self.cork.add(Arc::clone(self));
        }
    }

    /// The socket, to hang up. Nothing can be written any more.
    pub(crate) fn disconnect(&self) -> Option<Box<Output>> {
        self.state().outbox.disconnect()
    }

    // --- for the cork ---

    /// Writes as much as the socket takes now.
    pub(super) fn flush(&self, now: Instant) {
        let mut state = self.state();
        state.corked = false;
        if state.attended || state.outbox.blocked {
            return;
        }
        drop(state);
        let state = self.write(None, now);
        let unheard = state.outbox.blocked || state.broken || state.close.is_some();
        if unheard || state.thirsty || state.outbox.queued() > 0 {
            wake(state);
        }
    }

    /// Writing to it failed in a way that is ours.
    pub(super) fn give_up(&self, event: EventId) {
        let mut state = self.state();
        state.broken = true;
        self.close_in(state, CloseReason::Host(event));
        self.look();
    }

    fn write(&self, mut cx: Option<&mut Context<'_>>, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let mut written = 0;
        for _ in 0..WRITES_IN_A_ROW {
            let Some(mut output) = state.outbox.begin() else { break };
            // Nobody waits for the lock while the system copies.
            drop(state);
            let poll = output.poll_write(cx.as_deref_mut());
            state = self.state();
            match poll {
                Poll::Ready(Ok(bytes)) => {
                    written += bytes;
                    state.outbox.blocked = false;
                    state.outbox.wrote(output, bytes);
                }
                Poll::Pending => {
                    state.outbox.wrote(output, 0);
                    state.outbox.stall(now);
                    break;
                }
                Poll::Ready(Err(_)) => {
                    state.broken = true;
                    break;
                }
            }
        }
        if state.sent_then != state.outbox.messages_sent {
            state.sent_then = state.outbox.messages_sent;
            state.sent = now;
        }
        if written > 0 {
            state.wrote = now;
            self.shared.metrics.sent_bytes.inc_by(written as u64);
        }
        self.mirror(&mut state);
        self.gauge(&mut state);
        let waiters = state.outbox.waiters_to_wake(false);
        if waiters.is_empty() {
            return state;
        }
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
        self.state()
    }

    /// Keeps the figures that are read without the lock.
    fn mirror(&self, state: &mut State) {
        self.queued.store(state.outbox.queued(), Relaxed);
        self.given.store(state.outbox.given(), Relaxed);
        if state.outbox.blocked || state.gauged > 0 {
            self.gauge(state);
        }
    }

    fn gauge(&self, state: &mut State) {
        let queued = state.outbox.queued();
        if queued != state.gauged {
            self.shared.metrics.queue_bytes.inc_by(queued as i64 - state.gauged as i64);
            state.gauged = queued;
        }
    }

    /// Waits until everything that is queued now was written.
    pub(super) async fn flushed(&self) -> Result<(), SendError> {
        struct Wait<'a>(&'a Peer, u64);
        impl Drop for Wait<'_> {
            fn drop(&mut self) {
                self.0.state().outbox.forget(self.1);
            }
        }
        let wait = {
            let mut state = self.state();
            state.check_open()?;
            Wait(self, state.outbox.wait())
        };
        poll_fn(|cx| {
            let mut state = self.state();
            if state.outbox.poll_wait(wait.1, cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if state.phase == Phase::Closing && state.outbox.queued() == 0 {
                return Poll::Ready(Err(SendError::Unknown));
            }
            Poll::Pending
        })
        .await
    }

    /// Bytes queued and not written.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }

    /// What compressing its messages holds on to, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.state().outbox.memory()
    }

    /// Bytes given to the socket and not written.
    pub(crate) fn given(&self) -> usize {
        self.given.load(Relaxed)
    }

    pub(crate) fn messages_sent(&self) -> u64 {
        self.state().outbox.messages_sent
    }

    /// Gives up what is queued: it cannot be written any more. Ends every flush.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        self.leave_open(&mut state);
        state.outbox.abandon();
        self.mirror(&mut state);
        let waiters = state.outbox.waiters_to_wake(true);
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
    }

    pub(super) fn attachment(&self) -> Bytes {
        self.state().attachment.as_deref().cloned().unwrap_or_default()
    }

    pub(super) fn set_attachment(&self, value: Bytes) -> Result<(), SendError> {
        if value.len() > MAX_ATTACHMENT {
            return Err(SendError::Full);
        }
        // A copy: the value must not hold on to whatever buffer it came in.
        self.state().attachment = (!value.is_empty()).then(|| Box::new(Bytes::copy_from_slice(&value)));
        Ok(())
    }

    /// The names of its topics. Changed only under the lock of the route's topics.
    pub(super) fn with_topics<T>(&self, change: impl FnOnce(&mut Topics, bool) -> T) -> T {
        let state = &mut *self.state();
        let changed = change(state.topics.get_or_insert_default(), state.phase == Phase::Open);
        state.topics.take_if(|topics| topics.is_empty());
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Held for a few instructions, never across an await or a system call. Whoever panics with it (a compressor, for
        // example) ends this connection: its end needs the lock, too.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the connection's task, without the lock.
fn wake(state: MutexGuard<'_, State>) {
    let task = state.task.clone();
    drop(state);
    if let Some(task) = task {
        task.wake();
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

    fn noticed(&self) -> Noticed {
        Noticed {
            closing: self.close.is_some(),
            cut: self.cut,
            broken: self.broken,
            wrote: self.wrote,
            sent: self.sent,
            stalled: self.outbox.stalled(),
            given: self.outbox.is_given(),
            written: self.outbox.queued() == 0,
        }
    }
}
