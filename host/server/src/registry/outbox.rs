//! What waits to be written to one connection: bounded, with a policy for what does not fit.

use super::output::Output;
use crate::{
    SlowConsumer,
    compression::CompressOnce,
    framing::{EncodedFrame, FrameHeader, OutboundFragments},
};
use bytes::Bytes;
use socklet_core::{MessageRef, Opcode, SendError};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::time::Instant;

/// With about so much given to the socket, further frames wait in the queue, where the policy can still drop them.
const GIVEN_MAX: usize = 64 * 1024;

/// The way out of one connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The socket; none before it is there, after its end, and while somebody writes.
    output: Option<Box<Output>>,
    /// What the socket was not given yet.
    queue: VecDeque<Waiting>,
    /// Bytes in the queue.
    waiting: usize,
    /// Bytes that the socket was given and has not taken.
    given: usize,
    /// Bytes ever written.
    written: u64,
    /// Who waits for a flush.
    waiters: Option<Box<Waiters>>,
    pub(super) messages_sent: u64,
    fragments: OutboundFragments,
    /// The socket takes nothing now: only the connection's task can tell when it does.
    pub(super) blocked: bool,
    /// Since when the socket does not take what it was given, and how many bytes will be written when it has.
    stalled: Option<(Instant, u64)>,
}

/// What one connection may have waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutboxLimits {
    pub(super) max_bytes: usize,
    pub(super) policy: SlowConsumer,
}

/// What became of something that was to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Waiting messages that were dropped for it.
    pub(super) dropped: u64,
    /// It was not added.
    pub(super) overflow: Option<Overflow>,
}

/// A frame that the socket was not given yet, and its compressed forms if it is a message that others get, too.
#[derive(Debug)]
struct Waiting(EncodedFrame, Option<Arc<CompressOnce>>);

/// Those who wait for a flush.
#[derive(Debug, Default)]
struct Waiters {
    waiters: Vec<Waiter>,
    next: u64,
}

/// Somebody who waits until so many bytes were ever written.
#[derive(Debug)]
struct Waiter {
    id: u64,
    mark: u64,
    waker: Option<Waker>,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Larger than the whole queue.
    TooLarge,
    /// The policy closes the connection.
    Close,
    /// It was dropped, or could not be made to fit by dropping others.
    Dropped,
}

// === impl Outbox ===

impl Outbox {
    /// The socket is there.
    pub(super) fn connect(&mut self, output: Box<Output>) {
        self.output = Some(output);
    }

    /// Adds a whole message. Returns how many waiting messages were dropped for it.
    pub(super) fn message(&mut self, message: MessageRef<'_>, limits: &OutboxLimits) -> Result<Sent, SendError> {
        self.fragments.allow_message()?;
        let (opcode, payload) = (message.opcode(), message.as_bytes());
        let bytes = FrameHeader::new(opcode, true, payload.len()).as_bytes().len() + payload.len();
        let sent = self.make_room(bytes, limits);
        if sent.overflow.is_none() {
            match self.direct() {
                Some(output) => {
                    output.encode(opcode, payload);
                    self.update();
                }
                None => {
                    self.queue.push_back(Waiting(EncodedFrame::message(message), None));
                    self.waiting += bytes;
                }
            }
            self.messages_sent += 1;
        }
        Ok(sent)
    }

    /// Adds a whole message that others get, too.
    pub(super) fn shared(
        &mut self,
        frame: &EncodedFrame,
        once: Option<&Arc<CompressOnce>>,
        limits: &OutboxLimits,
    ) -> Result<Sent, SendError> {
        self.fragments.allow_message()?;
        let sent = self.make_room(frame.len(), limits);
        if sent.overflow.is_none() {
            self.push(frame, once);
            self.messages_sent += 1;
        }
        Ok(sent)
    }

    /// Adds one frame, which may be a fragment. Returns the opcode of the message that it completes, too.
    pub(super) fn frame(
        &mut self,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
        limits: &OutboxLimits,
    ) -> Result<(Sent, Option<Opcode>), SendError> {
        let fragments = self.fragments.after(opcode, fin, payload)?;
        let completed = self.fragments.completes(opcode, fin);
        let frame = EncodedFrame::frame(opcode, fin, Bytes::copy_from_slice(payload));
        let sent = self.make_room(frame.len(), limits);
        if sent.overflow.is_some() {
            return Ok((sent, None));
        }
        self.push(&frame, None);
        self.fragments = fragments;
        self.messages_sent += u64::from(completed.is_some());
        Ok((sent, completed))
    }

    /// Adds a frame of the host's: before what waits in the queue, and whatever the limits are.
    pub(super) fn control(&mut self, frame: &EncodedFrame) {
        if let Some(output) = &mut self.output {
            output.push(frame, None);
            self.update();
        }
    }

    fn push(&mut self, frame: &EncodedFrame, once: Option<&Arc<CompressOnce>>) {
        match self.direct() {
            Some(output) => {
                output.push(frame, once.map(|once| &**once));
                self.update();
            }
            None => {
                self.queue.push_back(Waiting(frame.clone(), once.cloned()));
                self.waiting += frame.len();
            }
        }
    }

    /// The socket was given something.
    fn update(&mut self) {
        if let Some(output) = &self.output {
            self.given = output.len();
        }
    }

    /// The socket, when a frame may go to it at once.
    fn direct(&mut self) -> Option<&mut Output> {
        let may = !self.blocked && self.queue.is_empty() && self.given < GIVEN_MAX;
        self.output.as_deref_mut().filter(|_| may)
    }

    fn make_room(&mut self, bytes: usize, limits: &OutboxLimits) -> Sent {
        if self.queued() + bytes <= limits.max_bytes {
            return Sent::default();
        }
        if bytes > limits.max_bytes {
            return Sent { dropped: 0, overflow: Some(Overflow::TooLarge) };
        }
        match limits.policy {
            SlowConsumer::Close => Sent { dropped: 0, overflow: Some(Overflow::Close) },
            SlowConsumer::DropNewest => Sent { dropped: 0, overflow: Some(Overflow::Dropped) },
            SlowConsumer::DropOldest => self.drop_oldest(bytes, limits.max_bytes),
        }
    }

    /// Drops whole messages from the front of the queue until there is room. Neither fragments nor control frames.
    fn drop_oldest(&mut self, bytes: usize, max: usize) -> Sent {
        let needed = self.queued() + bytes - max;
        let (mut freed, mut dropped, mut end) = (0, 0, 0);
        for Waiting(frame, _) in &self.queue {
            if freed >= needed {
                break;
            }
            end += 1;
            if frame.whole_message().is_some() {
                freed += frame.len();
                dropped += 1;
            }
        }
        if freed < needed {
            return Sent { dropped: 0, overflow: Some(Overflow::Dropped) };
        }
        let kept: Vec<_> = self.queue.drain(..end).filter(|waiting| waiting.0.whole_message().is_none()).collect();
        for waiting in kept.into_iter().rev() {
            self.queue.push_front(waiting);
        }
        self.shift(self.written + self.given as u64, freed);
        self.waiting -= freed;
        self.messages_sent -= dropped;
        Sent { dropped, overflow: None }
    }

    /// Drops what the socket was not given yet. Those who wait for it wait in vain.
    pub(super) fn discard(&mut self) {
        self.queue = VecDeque::new();
        self.waiting = 0;
    }

    /// Gives everything up, and the socket.
    pub(super) fn abandon(&mut self) {
        self.queue = VecDeque::new();
        (self.waiting, self.given) = (0, 0);
        self.output = None;
        self.stalled = None;
    }

    /// The socket, to end it. Nothing can be written any more.
    pub(super) fn disconnect(&mut self) -> Option<Box<Output>> {
        self.output.take()
    }

    /// What compression holds on to, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.memory())
    }

    /// Whether everything is with the socket.
    pub(super) fn is_given(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes queued and not written.
    pub(super) fn queued(&self) -> usize {
        self.waiting + self.given
    }

    /// Bytes ever written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes given to the socket and not written.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Begins to wait until everything that is queued now was written.
    pub(super) fn wait(&mut self) -> u64 {
        let mark = self.written + self.queued() as u64;
        let waiting = self.waiters.get_or_insert_default();
        let id = waiting.next;
        waiting.next += 1;
        waiting.waiters.push(Waiter { id, mark, waker: None });
        id
    }

    /// Whether the wait is over.
    pub(super) fn poll_wait(&mut self, id: u64, cx: &Context<'_>) -> Poll<()> {
        let written = self.written;
        match self.waiters().find(|waiter| waiter.id == id) {
            Some(waiter) if waiter.mark > written => {
                waiter.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Does not wait any more.
    pub(super) fn forget(&mut self, id: u64) {
        if let Some(waiting) = &mut self.waiters {
            waiting.waiters.retain(|waiter| waiter.id != id);
        }
    }

    fn waiters(&mut self) -> impl Iterator<Item = &mut Waiter> {
        self.waiters.iter_mut().flat_map(|waiting| &mut waiting.waiters)
    }

    /// The wakers of those whose wait may be over; of all when nothing can be written any more.
    pub(super) fn waiters_to_wake(&mut self, all: bool) -> Vec<Waker> {
        let written = self.written;
        let due = self.waiters().filter(|waiter| all || waiter.mark <= written);
        due.filter_map(|waiter| waiter.waker.take()).collect()
    }

    /// Since when the socket does not take what it was given.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.stalled.map(|(since, _)| since)
    }

    /// Takes the socket for one write, with as much as it should be given. To be followed by [`Outbox::wrote`].
    pub(super) fn begin(&mut self) -> Option<Box<Output>> {
        let mut output = self.output.take()?;
        while self.given < GIVEN_MAX
            && let Some(Waiting(frame, once)) = self.queue.pop_front()
        {
            let front = self.written + self.given as u64;
            output.push(&frame, once.as_deref());
            let saved = (self.given + frame.len()).saturating_sub(output.len());
            self.waiting -= frame.len();
            self.given = output.len();
            self.shift(front, saved);
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        if output.len() == 0 {
            self.output = Some(output);
            return None;
        }
        Some(output)
    }

    /// So many bytes behind `front` will not be written: whoever waits for what is behind waits for that much less.
    fn shift(&mut self, front: u64, bytes: usize) {
        for waiter in self.waiters() {
            waiter.mark -= waiter.mark.saturating_sub(front).min(bytes as u64);
        }
    }

    /// Brings the socket back after a write of so many bytes.
    pub(super) fn wrote(&mut self, output: Box<Output>, bytes: usize) {
        self.output = Some(output);
        self.given -= bytes;
        self.written += bytes as u64;
        if self.stalled.is_some_and(|(_, target)| self.written >= target) {
            self.stalled = None;
        }
    }

    /// The socket takes nothing more now.
    pub(super) fn stall(&mut self, now: Instant) {
        self.blocked = true;
        self.stalled.get_or_insert((now, self.written + self.given as u64));
    }
}
