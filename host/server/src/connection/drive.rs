//! The connection's loop: what happened, what follows, what to wait for next.

use super::{
    arrivals::{Decision, Next},
    clock::{Clock, Due},
    died::Died,
    guard,
    input::Input,
    rates::Rates,
    settings::frame_limits,
    socket::Reader,
};
use crate::{
    ConnectionLimits, Metrics, Route,
    compression::Deflate,
    framing::{Decoder, EncodedFrame},
    metrics::CompressionMemory,
    registry::{Noticed, Output, Peer},
    server::Inner,
};
use bytes::Bytes;
use socklet_core::{
    Answer, BoxFuture, Call, CallError, Cause, CloseFrame, CloseReason, Connections, Ending, Event, EventId, Opcode,
    Principal, RouteName, Session, TenantName,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// With this much unwritten, a client's frames are not read: pongs for a client that does not read must not pile up.
const UNWRITTEN_MAX: usize = 128 * 1024;

/// Calls in one go, if they take no longer than [`TURN`]; then other connections of the thread get their turn.
const CALLS_IN_A_ROW: u32 = 2048;

/// How many calls are made between two looks at the clock.
const CALLS_PER_LOOK: u32 = 16;

/// How long one connection may keep its thread, about.
const TURN: Duration = Duration::from_millis(1);

/// Reads in one go.
const READS_IN_A_ROW: u32 = 4;

pub(super) type Outcome = Result<Answer, CallError>;

/// One connection while its socket lives.
pub(super) struct Drive {
    reader: Reader,
    pub(super) input: Input,
    pub(super) decoder: Decoder,
    pub(super) peer: Arc<Peer>,
    session: Box<dyn Session>,
    in_flight: Option<BoxFuture<Outcome>>,
    /// What comes next, while a call is in flight. While something waits, the socket is not read: that is the backpressure.
    waiting: Option<Box<Next>>,
    /// Until when the message that comes next waits for its turn among those of the tenant.
    pub(super) held: Option<Instant>,
    /// For guests that decide on frames.
    pub(super) decision: Option<Box<Decision>>,
    pub(super) clock: Clock,
    pub(super) rates: Rates,
    /// What it may do; the route can change it.
    pub(super) limits: Arc<ConnectionLimits>,
    /// How often the route's settings had been changed when they were looked at.
    pub(super) changes: u32,
    /// The timer will wake the task.
    armed: bool,
    pub(super) state: State,
    /// Where compression was agreed on.
    compression: Option<Box<CompressionMemory>>,
    pub(super) route: Arc<Route>,
    pub(super) metrics: Metrics,
}

/// What will be told of the end.
#[derive(Debug, Default)]
pub(super) struct State {
    opened: bool,
    /// What ended the connection: the first counts.
    end: Option<Box<End>>,
    received_close: bool,
    /// Our close frame was given to the socket; it was written.
    pub(super) sent_close: bool,
    wrote_close: bool,
    /// The client broke the protocol: nothing that it sends is understood any more.
    pub(super) broken: bool,
    /// Nothing can be written any more.
    deaf: bool,
    /// The socket is closed or given up.
    gone: bool,
    /// Not even the calls in flight are waited for.
    given_up: bool,
    /// The socket was not read for a while, since the clock was looked at.
    paused: bool,
    /// It is not read now.
    stopped: bool,
}

#[derive(Debug)]
enum End {
    /// We close it.
    Host(CloseReason),
    /// The client closes it.
    Client(CloseFrame),
    /// No close frame.
    Gone,
}

/// What is left of a connection that has ended.
pub(super) struct Left {
    pub(super) ending: Ending,
    /// Whether `on-open` was called.
    pub(super) opened: bool,
    pub(super) session: Box<dyn Session>,
    pub(super) in_flight: Option<BoxFuture<Outcome>>,
    /// A socket that is still there, and whether its client broke the protocol.
    pub(super) socket: Option<(Reader, Box<Output>, bool)>,
}

// === impl Drive ===

impl Drive {
    pub(super) fn new(
        server: &Inner,
        route: Arc<Route>,
        peer: Arc<Peer>,
        session: Box<dyn Session>,
        (reader, buffered): (Reader, Bytes),
        compression: Option<Deflate>,
    ) -> Self {
        // In this order: what changes in between is looked at again.
        let changes = route.connections.changes();
        let limits = route.connections.limits();
        let expires_in = peer.principal().and_then(|principal| Principal::expires_in(principal));
        let mut decoder = Decoder::new(frame_limits(&limits));
        if let Some(deflate) = compression {
            decoder = decoder.with_compression(&deflate, limits.max_inflated_ratio);
        }
        let decision = session.sees_frames().then(Box::default);
        if decision.is_some() {
            decoder = decoder.with_frames();
        }
        if server.draining.is_cancelled() {
            peer.close(server.farewell());
        }
        if server.force.is_cancelled() {
            peer.cut();
        }
        Self {
            reader,
            input: Input::new(buffered),
            decoder,
            peer,
            session,
            in_flight: None,
            waiting: Some(Box::new(Next::Open)),
            held: None,
            decision,
            clock: Clock::new(&limits, route.connections.heartbeat().interval(), expires_in),
            rates: Rates::default(),
            limits,
            changes,
            armed: false,
            state: State::default(),
            compression: compression.map(|_| Box::new(CompressionMemory::new(server.metrics.clone()))),
            metrics: server.metrics.clone(),
            route,
        }
    }

    /// Goes on until the connection has ended and everything that arrived before was dealt with. `died` is the end of the
    /// session's instance.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut sleep: Pin<&mut Sleep>,
        died: &mut Died<'_, impl Future<Output = EventId>>,
    ) -> Poll<()> {
        let now = Instant::now();
        let noticed = self.peer.attend(cx.waker());
        self.notice(&noticed);
        self.follow_settings();
        if self.state.end.is_none()
            && let Some(event) = died.look(self.session.lifeline(), cx)
        {
            self.close(CloseReason::PluginFailed(event));
        }
        let mut more = self.work(cx, now);
        let noticed = self.flush(cx, now);
        self.clock.seen(&noticed);
        if now >= sleep.deadline() {
            let reading = self.wants_input() && !std::mem::take(&mut self.state.paused);
            self.look_at_the_clock(reading);
            self.flush(cx, now);
        }
        if self.is_over(more) {
            self.input.rest();
            return Poll::Ready(());
        }
        // Writing may have made room to go on reading.
        let reads = self.wants_input();
        more |= reads && self.state.stopped;
        let next = self.next_look();
        if !self.armed || next < sleep.deadline() || now >= sleep.deadline() {
            self.armed = true;
            sleep.as_mut().reset(next);
            more |= sleep.poll(cx).is_ready();
        }
        if more {
            cx.waker().wake_by_ref();
        }
        self.input.rest();
        if let Some(memory) = &mut self.compression {
            memory.set(self.decoder.inflater_memory() + self.peer.memory());
        }
        self.peer.rest(!reads);
        Poll::Pending
    }

    /// Calls, reads, decodes, as far as that goes without waiting. Whether there is more to do at once.
    fn work(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut calls = 0;
        let mut reads = 0;
        loop {
            if let Some(call) = &mut self.in_flight
                && let Poll::Ready(outcome) = guard::poll(call, cx)
            {
                self.in_flight = None;
                self.called(outcome);
            }
            let in_flight = self.in_flight.is_some();
            if self.advance(&mut calls, now) {
                return true;
            }
            if !in_flight && self.in_flight.is_some() {
                // It has to be polled once, so that it wakes us.
                continue;
            }
            if self.state.gone || !self.wants_input() {
                self.state.stopped = !self.state.gone;
                self.state.paused |= self.state.stopped;
                return false;
            }
            if reads == READS_IN_A_ROW {
                return true;
            }
            reads += 1;
            self.state.stopped = false;
            match self.input.poll_read(&mut self.reader, cx) {
                Poll::Ready(Some(_)) => self.clock.received(now),
                Poll::Ready(None) => self.hung_up(),
                Poll::Pending => return false,
            }
        }
    }

    /// Decodes and calls as far as that goes without waiting. Whether there is more to do at once.
    fn advance(&mut self, calls: &mut u32, now: Instant) -> bool {
        loop {
            if self.state.given_up {
                return false;
            }
            let next = match self.waiting.take() {
                Some(next) => *next,
                None if self.is_undecided() || !self.is_attentive() => return false,
                None => match self.decode(now) {
                    Some(next) => next,
                    None => return false,
                },
            };
            self.notice_close();
            let ours = self.is_ours();
            match next {
                // Once we are closing, what the client still says is not heard, except its close frame.
                Next::Open | Next::Message(_) if ours => {}
                Next::Frame(frame) if ours => self.decide(frame, false),
                Next::Close(frame) if ours || self.in_flight.is_none() => self.client_closes(frame),
                next if self.is_held(now) || self.in_flight.is_some() => {
                    self.waiting = Some(Box::new(next));
                    return false;
                }
                Next::Open => {
                    self.peer.open();
                    self.state.opened = true;
                    self.call(Event::Open);
                }
                Next::Frame(frame) => {
                    if let Some(decision) = &mut self.decision {
                        decision.frame = Some(frame.clone());
                    }
                    self.call(Event::Frame(frame));
                }
                Next::Message(message) => self.call(Event::Message(message)),
                Next::Close(frame) => self.client_closes(frame),
            }
            *calls += 1;
            if calls.is_multiple_of(CALLS_PER_LOOK) && (*calls >= CALLS_IN_A_ROW || now.elapsed() >= TURN) {
                *calls = 0;
                return true;
            }
        }
    }

    /// Whether what comes next has to wait for its turn.
    fn is_held(&mut self, now: Instant) -> bool {
        self.held = self.held.filter(|until| now < *until);
        self.held.is_some()
    }

    /// What others did with the connection.
    fn notice(&mut self, noticed: &Noticed) {
        if noticed.closing {
            self.notice_close();
        }
        if noticed.broken {
            self.went_deaf();
        }
        if noticed.cut {
            self.give_up();
        }
        self.clock.seen(noticed);
    }

    /// Somebody may have closed the connection by its handle.
    fn notice_close(&mut self) {
        if self.state.end.is_none()
            && self.peer.is_closed()
            && let Some(reason) = self.peer.close_reason()
        {
            self.state.end = Some(Box::new(End::Host(reason)));
            self.clock.closing(&self.limits);
        }
    }

    fn call(&mut self, event: Event) {
        match guard::call(&mut *self.session, event) {
            Call::Done(outcome) => self.called(outcome),
            Call::Pending(call) => self.in_flight = Some(call),
        }
    }

    fn called(&mut self, outcome: Outcome) {
        if let Some(frame) = self.decision.as_mut().and_then(|decision| decision.frame.take()) {
            // A close frame is always answered (RFC 6455, section 5.5.1).
            let skip = outcome == Ok(Answer::Skip) && frame.opcode != Opcode::Close;
            self.decide(frame, skip);
        }
        match outcome {
            Ok(Answer::Proceed | Answer::Skip) => {}
            Ok(Answer::Close(frame)) => self.close(CloseReason::Plugin(frame)),
            Err(CallError::Died { event, .. }) => self.close(CloseReason::PluginFailed(event)),
            Err(error @ (CallError::Busy { .. } | CallError::Resting { .. } | CallError::Host { .. })) => {
                self.close(CloseReason::Host(error.event()));
            }
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        if matches!(self.state.end.as_deref(), Some(End::Gone)) {
            // There is nobody to tell, and whatever is left is not wanted.
            return self.give_up();
        }
        self.peer.close(reason);
        self.notice_close();
    }

    /// We end the connection, unless it is ending already.
    pub(super) fn ended_by(&mut self, reason: CloseReason) {
        self.state.end.get_or_insert_with(|| Box::new(End::Host(reason)));
        self.state.gone = true;
    }

    fn client_closes(&mut self, frame: Option<CloseFrame>) {
        let frame = frame.unwrap_or_else(CloseFrame::no_status);
        self.state.received_close = true;
        if !self.is_closing() {
            self.state.end = Some(Box::new(End::Client(frame)));
        }
        self.state.gone |= self.state.deaf;
        self.peer.shut();
        self.clock.closing(&self.limits);
    }

    /// The client sends nothing more.
    fn hung_up(&mut self) {
        self.state.gone = true;
        self.notice_close();
        self.peer.shut();
        self.clock.stop();
        self.state.end.get_or_insert_with(|| Box::new(End::Gone));
    }

    /// Nothing can be written any more. What the client said before it went can still be read, unless nobody wants to hear it.
    fn went_deaf(&mut self) {
        if std::mem::replace(&mut self.state.deaf, true) {
            return;
        }
        self.notice_close();
        self.state.gone |= self.is_closing();
        self.peer.abandon();
        self.clock.deaf();
        self.state.end.get_or_insert_with(|| Box::new(End::Gone));
    }

    /// Writes what was sent, and the close frame when it is time for it.
    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) -> Noticed {
        let mut noticed = self.peer.poll_flush(cx, now);
        self.notice(&noticed);
        if noticed.given
            && !self.state.gone
            && !self.state.deaf
            && !self.state.sent_close
            && let Some(frame) = self.close_frame()
        {
            self.state.sent_close = true;
            self.peer.control(&EncodedFrame::close(&frame));
            noticed = self.peer.poll_flush(cx, now);
            self.notice(&noticed);
        }
        self.state.wrote_close |= self.state.sent_close && noticed.written && !self.state.deaf;
        noticed
    }

    fn close_frame(&self) -> Option<CloseFrame> {
        match self.state.end.as_deref() {
            Some(End::Host(reason)) => Some(reason.frame()),
            Some(End::Client(frame)) => Some(frame.clone()),
            Some(End::Gone) | None => None,
        }
    }

    /// Who does not read what is sent is not listened to: else an echo would overrun the outbox.
    fn is_attentive(&self) -> bool {
        self.state.end.is_some() || self.peer.queued() <= self.limits.send_queue_max_bytes / 2
    }

    fn wants_input(&self) -> bool {
        self.waiting.is_none()
            && !self.is_undecided()
            && self.peer.given() < UNWRITTEN_MAX
            && self.is_attentive()
            && (!self.state.received_close || self.state.broken)
    }

    fn look_at_the_clock(&mut self, reading: bool) {
        while let Some(due) = self.clock.due(reading, &self.limits) {
            match due {
                Due::Ping => {
                    self.clock.pinged(&self.limits);
                    let payload = self.route.connections.heartbeat().payload().clone();
                    self.peer.control(&EncodedFrame::frame(Opcode::Ping, true, payload.into_bytes()));
                }
                Due::CloseTimeout => return self.give_up(),
                Due::Close(reason) => {
                    if reason == CloseReason::HeartbeatMissed {
                        self.metrics.pong_timeouts.inc();
                    }
                    if reason == CloseReason::SendTimeout {
                        self.metrics.slow_consumer("timeout");
                    }
                    self.close(reason);
                    if self.state.end.is_some() {
                        return;
                    }
                }
            }
        }
    }

    /// Nobody waits for this socket any more.
    fn give_up(&mut self) {
        self.notice_close();
        self.state.end.get_or_insert_with(|| Box::new(End::Gone));
        (self.state.gone, self.state.given_up) = (true, true);
    }

    /// Whether we are closing the connection.
    fn is_ours(&self) -> bool {
        matches!(self.state.end.as_deref(), Some(End::Host(_)))
    }

    /// Whether the closing handshake has begun.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state.end.as_deref(), Some(End::Host(_) | End::Client(_)))
    }

    /// Whether there is nothing left to do with the socket, or for the guest.
    fn is_over(&self, more: bool) -> bool {
        if self.state.gone {
            // All that arrived is delivered first, unless we had closed.
            let delivered = !more && self.waiting.is_none() && self.in_flight.is_none();
            return delivered || self.is_ours() || self.state.given_up;
        }
        self.state.wrote_close && (self.state.received_close || self.state.broken)
    }

    /// When something may be due.
    pub(super) fn next_look(&self) -> Instant {
        let next = self.clock.next(&self.limits);
        self.held.filter(|_| self.waiting.is_some()).map_or(next, |until| until.min(next))
    }

    /// Whose connection it is: tenant and route.
    pub(super) fn route(&self) -> (TenantName, RouteName) {
        (self.route.tenant().name().clone(), self.route.config.name.clone())
    }

    /// What to tell of the end, and what is left.
    pub(super) fn into_end(self) -> Left {
        let (frame, cause) = match self.state.end.map(|end| *end) {
            Some(End::Host(reason)) => (reason.frame(), reason.cause()),
            Some(End::Client(frame)) => (frame, Cause::Client),
            Some(End::Gone) | None => (CloseFrame::abnormal(), Cause::Disconnected),
        };
        let ending = Ending {
            frame,
            cause,
            clean: self.state.received_close && self.state.wrote_close,
            duration: self.clock.age(),
            messages_received: self.peer.received().messages(),
            messages_sent: self.peer.messages_sent(),
        };
        let socket = self.peer.disconnect().filter(|_| !self.state.gone);
        Left {
            ending,
            opened: self.state.opened,
            session: self.session,
            in_flight: self.in_flight,
            socket: socket.map(|output| (self.reader, output, self.state.broken)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a hundred thousand of them.
    #[test]
    fn a_connection_at_rest_is_small() {
        assert!(size_of::<Drive>() <= 600, "{}", size_of::<Drive>());
        assert!(size_of::<Peer>() <= 300, "{}", size_of::<Peer>());
    }
}
