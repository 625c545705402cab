//! The connection's loop: what happened, what follows, what to wait for next.

use super::{
    clock::{Clock, Due},
    guard,
    io::{Io, Turn},
    rates::Rates,
};
use crate::{
    Metrics, Route,
    compression::Deflate,
    framing::{Decoder, EncodedFrame, FrameLimits, FramingError, Inbound},
    registry::Peer,
    server::Inner,
};
use bytes::Bytes;
use bytestring::ByteString;
use socklet_core::{
    Answer, BoxFuture, Call, CallError, Cause, CloseFrame, CloseReason, Ending, Event, Heartbeat, Message, Opcode,
    Principal, Session,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::yield_now,
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// About how many bytes are given to the socket at a time.
const BATCH: usize = 64 * 1024;

/// With this much unwritten, a client's frames are not read: pongs for a client that does not read must not pile up.
const UNWRITTEN_MAX: usize = 2 * BATCH;

/// Calls in one go; then other connections of the thread get their turn.
const CALLS_IN_A_ROW: usize = 32;

/// How long a broken client may take to hear the close frame, once nothing more is sent.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) type Outcome = Result<Answer, CallError>;

/// One connection while its socket lives.
pub(super) struct Drive<S> {
    io: Io<S>,
    decoder: Decoder,
    peer: Arc<Peer>,
    session: Box<dyn Session>,
    in_flight: Option<BoxFuture<Outcome>>,
    /// What comes next, while a call is in flight. While something waits, the socket is not read: that is the backpressure.
    waiting: Option<Next>,
    /// Frames taken from the outbox and not written yet: how many, how many bytes.
    batch: Option<(u64, usize)>,
    clock: Clock,
    rates: Rates,
    heartbeat: watch::Receiver<Heartbeat>,
    state: State,
    metrics: Metrics,
    max_queued: usize,
    draining: CancellationToken,
    force: CancellationToken,
}

/// What will be told of the end.
#[derive(Debug, Default)]
struct State {
    opened: bool,
    messages_received: u64,
    /// What ended the connection: the first counts.
    end: Option<End>,
    received_close: bool,
    /// Our close frame was given to the socket; it was written.
    sent_close: bool,
    wrote_close: bool,
    /// The client broke the protocol: nothing that it sends is understood any more.
    broken: bool,
    /// The socket is closed or given up.
    gone: bool,
    /// Not even the calls in flight are waited for.
    given_up: bool,
    /// The socket was not read for a while.
    paused: bool,
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

/// What comes next for the guest.
enum Next {
    Open,
    Message(Message),
    Close(Option<CloseFrame>),
}

// === impl Drive ===

impl<S: AsyncRead + AsyncWrite + Unpin> Drive<S> {
    pub(super) fn new(
        server: &Inner,
        route: &Route,
        peer: Arc<Peer>,
        session: Box<dyn Session>,
        stream: S,
        buffered: Bytes,
        compression: Option<&Deflate>,
    ) -> Self {
        let limits = &route.config.limits;
        let mut heartbeat = route.connections.watch_heartbeat();
        let expires_in = peer.principal().and_then(|principal| Principal::expires_in(principal));
        let clock = Clock::new(limits, heartbeat.borrow_and_update().clone(), expires_in);
        let mut decoder = Decoder::new(FrameLimits {
            max_frame: limits.max_frame_size,
            max_message: limits.max_message_size,
            max_fragments: limits.max_fragments,
        });
        if let Some(compression) = compression {
            decoder = decoder.with_compression(compression, limits.max_inflated_ratio);
        }
        Self {
            io: Io::new(stream, buffered),
            decoder,
            peer,
            session,
            in_flight: None,
            waiting: Some(Next::Open),
            batch: None,
            clock,
            rates: Rates::new(limits),
            heartbeat,
            state: State::default(),
            metrics: server.metrics.clone(),
            max_queued: limits.send_queue_max_bytes,
            draining: server.draining.clone(),
            force: server.force.clone(),
        }
    }

    /// Until the connection has ended and everything that arrived before was dealt with.
    pub(super) async fn run(&mut self) {
        let lifeline = self.session.lifeline().clone();
        let mut sleep = Box::pin(sleep_until(self.clock.next()));
        if self.draining.is_cancelled() {
            self.peer.close(CloseReason::Draining);
        }
        loop {
            let more = self.advance();
            self.give_output();
            if self.is_over(more) {
                break;
            }
            let next = self.clock.next();
            if next < sleep.deadline() || sleep.is_elapsed() {
                sleep.as_mut().reset(next);
            }
            let read = self.wants_input();
            self.state.paused |= !read;
            let hint = self.decoder.wants();
            let (gone, closing) = (self.state.gone, self.state.end.is_some());
            tokio::select! {
                biased;
                () = self.force.cancelled() => self.give_up(),
                outcome = async { guard::outcome(self.in_flight.as_mut().expect("checked")).await }, if self.in_flight.is_some() => {
                    self.in_flight = None;
                    self.called(outcome);
                }
                turn = self.io.turn(read, hint), if !gone => {
                    self.turned(turn);
                    // A socket that always has something to do must not stop the clock.
                    self.look_at_the_clock(turn == Turn::Read);
                }
                () = self.peer.changed() => {}
                event = lifeline.died(), if !closing => self.close(CloseReason::PluginFailed(event)),
                Ok(()) = self.heartbeat.changed() => {
                    let heartbeat = self.heartbeat.borrow_and_update().clone();
                    self.clock.set_heartbeat(heartbeat);
                }
                () = &mut sleep => self.look_at_the_clock(read),
                () = yield_now(), if more => {}
            }
        }
        if !self.state.gone {
            self.hang_up().await;
        }
    }

    /// We end the connection, unless it is ending already.
    pub(super) fn ended_by(&mut self, reason: CloseReason) {
        self.state.end.get_or_insert(End::Host(reason));
    }

    /// What to tell of the end; whether `on-open` was called; and what is left.
    pub(super) fn into_end(self) -> (Ending, bool, Box<dyn Session>, Option<BoxFuture<Outcome>>) {
        let (frame, cause) = match self.state.end {
            Some(End::Host(reason)) => (reason.frame(), reason.cause()),
            Some(End::Client(frame)) => (frame, Cause::Client),
            Some(End::Gone) | None => (CloseFrame::abnormal(), Cause::Disconnected),
        };
        let ending = Ending {
            frame,
            cause,
            clean: self.state.received_close && self.state.wrote_close,
            duration: self.clock.age(),
            messages_received: self.state.messages_received,
            messages_sent: self.peer.messages_sent(),
        };
        (ending, self.state.opened, self.session, self.in_flight)
    }

    /// Decodes and calls as far as that goes without waiting. Whether there is more to do at once.
    fn advance(&mut self) -> bool {
        for _ in 0..CALLS_IN_A_ROW {
            if self.state.given_up {
                return false;
            }
            self.notice_close();
            let next = match self.waiting.take() {
                Some(next) => next,
                None if !self.is_attentive() => return false,
                None => match self.decode() {
                    Some(next) => next,
                    None => return false,
                },
            };
            let ours = self.is_ours();
            match next {
                // Once we are closing, what the client still says is not heard, except its close frame.
                Next::Open | Next::Message(_) if ours => {}
                Next::Close(frame) if ours || self.in_flight.is_none() => self.client_closes(frame),
                next if self.in_flight.is_some() => {
                    self.waiting = Some(next);
                    return false;
                }
                Next::Open => {
                    self.peer.open();
                    self.state.opened = true;
                    self.call(Event::Open);
                }
                Next::Message(message) => self.call(Event::Message(message)),
                Next::Close(frame) => self.client_closes(frame),
            }
        }
        true
    }

    /// Somebody may have closed the connection by its handle.
    fn notice_close(&mut self) {
        if self.state.end.is_none()
            && let Some(reason) = self.peer.close_reason()
        {
            self.state.end = Some(End::Host(reason));
            self.clock.closing();
        }
    }

    fn call(&mut self, event: Event) {
        match guard::call(&mut *self.session, event) {
            Call::Done(outcome) => self.called(outcome),
            Call::Pending(call) => self.in_flight = Some(call),
        }
    }

    fn called(&mut self, outcome: Outcome) {
        match outcome {
            Ok(Answer::Proceed | Answer::Skip) => {}
            Ok(Answer::Close(frame)) => self.close(CloseReason::Plugin(frame)),
            Err(CallError::Died { event, .. }) => self.close(CloseReason::PluginFailed(event)),
            Err(CallError::Busy { event } | CallError::Host { event }) => self.close(CloseReason::Host(event)),
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if matches!(self.state.end, Some(End::Gone)) {
            // There is nobody to tell, and whatever is left is not wanted.
            return self.give_up();
        }
        self.peer.close(reason);
        self.notice_close();
    }

    fn client_closes(&mut self, frame: Option<CloseFrame>) {
        let frame = frame.unwrap_or_else(CloseFrame::no_status);
        self.state.received_close = true;
        if !self.is_closing() {
            self.state.end = Some(End::Client(frame));
        }
        self.state.gone |= self.io.is_deaf();
        self.peer.shut();
        self.clock.closing();
    }

    /// The next message or close frame of the client, if it is all here. Answers pings by the way.
    fn decode(&mut self) -> Option<Next> {
        loop {
            match self.decoder.decode(&mut self.io.input) {
                Ok(None) => return None,
                Ok(Some(Inbound::Message(message))) => {
                    if self.is_closing() {
                        continue;
                    }
                    self.state.messages_received += 1;
                    self.metrics.message_received(message.opcode(), message.len());
                    self.clock.message();
                    if let Err(limit) = self.rates.message(message.len()) {
                        self.over(limit);
                        continue;
                    }
                    return Some(Next::Message(message));
                }
                Ok(Some(Inbound::Ping(payload))) => {
                    if !self.over_control_rate() && !self.state.sent_close {
                        self.give(&EncodedFrame::frame(Opcode::Pong, true, payload));
                    }
                }
                Ok(Some(Inbound::Pong(payload))) => {
                    let ours = *payload == **self.clock.heartbeat().payload().as_bytes();
                    if !self.over_control_rate()
                        && ours
                        && let Some(rtt) = self.clock.ponged()
                    {
                        self.metrics.ping_answered(rtt);
                    }
                }
                Ok(Some(Inbound::Close(frame))) => return Some(Next::Close(frame)),
                Ok(Some(Inbound::Frame(_))) => unreachable!("the decoder was not asked for frames"),
                Err(error) => self.broke_the_protocol(error),
            }
        }
    }

    fn over_control_rate(&mut self) -> bool {
        self.rates.control().map_err(|limit| self.over(limit)).is_err()
    }

    fn over(&mut self, limit: &'static str) {
        if !self.is_closing() {
            self.metrics.limit_hit(limit);
            self.close(CloseReason::RateLimit);
        }
    }

    fn broke_the_protocol(&mut self, error: FramingError) {
        self.metrics.protocol_error(error.kind());
        self.state.broken = true;
        self.close(error.into());
    }

    fn turned(&mut self, turn: Turn) {
        match turn {
            Turn::Read => self.clock.received(),
            Turn::Wrote(bytes) => {
                self.metrics.sent_bytes.inc_by(bytes as u64);
                let (given, written) = self.io.progress();
                self.clock.wrote(given, written);
                if given == written {
                    self.state.wrote_close = self.state.sent_close;
                    if let Some((frames, bytes)) = self.batch.take() {
                        self.peer.wrote(frames, bytes);
                    }
                }
            }
            Turn::Deaf => {
                // What the client said before it went can still be read, unless nobody wants to hear it.
                self.notice_close();
                self.state.gone = self.is_closing();
                self.batch = None;
                self.peer.abandon();
                self.clock.deaf();
                self.state.end.get_or_insert(End::Gone);
            }
            Turn::Gone => {
                self.state.gone = true;
                self.notice_close();
                self.peer.shut();
                self.clock.stop();
                self.state.end.get_or_insert(End::Gone);
            }
        }
    }

    /// Gives the socket what is queued, then the close frame when it is time for it.
    fn give_output(&mut self) {
        if self.state.gone || self.batch.is_some() || self.state.sent_close {
            return;
        }
        let batch = self.peer.take(BATCH);
        for frame in &batch.frames {
            self.give(frame);
        }
        if !batch.frames.is_empty() {
            self.clock.message();
            self.batch = Some((batch.frames.len() as u64, batch.bytes));
            return;
        }
        self.notice_close();
        let frame = match &self.state.end {
            Some(End::Host(reason)) => reason.frame(),
            Some(End::Client(frame)) => frame.clone(),
            Some(End::Gone) | None => return,
        };
        self.state.sent_close = true;
        self.give(&EncodedFrame::close(&frame));
    }

    fn give(&mut self, frame: &EncodedFrame) {
        self.io.give(frame);
        let (given, written) = self.io.progress();
        self.clock.writing(given, written);
    }

    /// Who does not read what is sent is not listened to: else an echo would overrun the outbox.
    fn is_attentive(&self) -> bool {
        self.state.end.is_some() || self.peer.queued() <= self.max_queued as u64 / 2
    }

    fn wants_input(&self) -> bool {
        self.waiting.is_none()
            && self.io.unwritten() < UNWRITTEN_MAX
            && self.is_attentive()
            && (!self.state.received_close || self.state.broken)
    }

    fn look_at_the_clock(&mut self, reading: bool) {
        let attentive = reading && !std::mem::take(&mut self.state.paused);
        while let Some(due) = self.clock.due(attentive) {
            match due {
                Due::Ping => {
                    self.clock.pinged();
                    let payload: ByteString = self.clock.heartbeat().payload().clone();
                    self.give(&EncodedFrame::frame(Opcode::Ping, true, payload.into_bytes()));
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
        self.state.end.get_or_insert(End::Gone);
        (self.state.gone, self.state.given_up) = (true, true);
    }

    /// Whether we are closing the connection.
    fn is_ours(&self) -> bool {
        matches!(self.state.end, Some(End::Host(_)))
    }

    /// Whether the closing handshake has begun.
    fn is_closing(&self) -> bool {
        matches!(self.state.end, Some(End::Host(_) | End::Client(_)))
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

    /// Ends a socket that is still there: nothing more is sent, and what a broken client still sends is read away, since
    /// a reset would take the close frame from it (RFC 6455, section 7.1.1).
    async fn hang_up(&mut self) {
        let broken = self.state.broken;
        let drain = async {
            self.io.shutdown().await;
            while broken && self.io.turn(true, BATCH).await == Turn::Read {
                self.io.input.clear();
            }
        };
        let _ = timeout(LAST_WORDS, drain).await; // whoever does not close by then is cut off
    }
}
