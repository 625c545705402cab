//! What a host does for one connection, from `on-open` to `on-close`: one call at a time, in order.

use super::{
    Arrived, Input, World,
    clock::Due,
    connection::{Connection, Phase},
};
use crate::conversation::{Event as Happened, Payload};
use bytes::Bytes;
use socklet_core::{
    Answer, Call, CallError, Cause, CloseCode, CloseFrame, CloseReason, ConnectionId, Ending, Event, Frame, Message,
    Opcode, Principal, Session,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// One connection.
struct Drive {
    world: Arc<World>,
    id: ConnectionId,
    session: Box<dyn Session>,
    /// A message of which not all has come.
    begun: Option<Begun>,
}

/// The message that frames are collected for.
struct Begun {
    is_text: bool,
    bytes: Vec<u8>,
}

/// What ended it.
enum End {
    Host(CloseReason),
    Client(CloseFrame),
    Gone,
}

/// What there is to do.
enum Next {
    End(End),
    Input(Input),
    Due(Due),
    /// Nothing before that.
    Wait(Instant),
}

/// Serves a connection to its end.
pub(crate) async fn serve(world: Arc<World>, id: ConnectionId, session: Box<dyn Session>) {
    let mut drive = Drive { world, id, session, begun: None };
    drive.open().await;
    let end = drive.run().await;
    drive.finish(end).await;
}

// === impl Drive ===

impl Drive {
    async fn open(&mut self) {
        let wall = self.world.wall();
        self.with(|connection| {
            let expires_at = connection.principal.as_deref().and_then(Principal::expires_at);
            connection.deadlines.expires_in(expires_at.map(|at| Duration::from_secs(at).saturating_sub(wall)));
            if connection.close.is_none() {
                connection.phase = Phase::Open;
            }
        });
        self.call(Event::Open).await;
    }

    async fn run(&mut self) -> End {
        let lifeline = self.session.lifeline().clone();
        let wake = self.with(|connection| connection.wake.clone());
        loop {
            if let Some(event) = lifeline.death() {
                self.close(CloseReason::PluginFailed(event));
            }
            match self.next() {
                Next::End(end) => return end,
                Next::Input(Input::Frame(frame)) => self.frame(frame).await,
                Next::Input(Input::Close(frame)) => {
                    let answered = self.answer_close(frame).await;
                    return End::Client(answered);
                }
                Next::Input(Input::Vanished) => return End::Gone,
                Next::Due(Due::Close(reason)) => self.close(reason),
                Next::Due(Due::Ping) => self.ping().await,
                Next::Wait(until) => {
                    tokio::select! {
                        biased;
                        () = wake.notified() => {}
                        _event = lifeline.died() => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }
            }
        }
    }

    fn next(&self) -> Next {
        let heartbeat = self.world.state().heartbeat.clone();
        let limits = &self.world.limits;
        self.with(|connection| {
            if let Some(reason) = &connection.close {
                return Next::End(End::Host(reason.clone()));
            }
            if let Some(input) = connection.incoming.pop_front() {
                return Next::Input(input);
            }
            match connection.deadlines.next(limits, &heartbeat) {
                (at, due) if at <= Instant::now() => Next::Due(due),
                (at, _) => Next::Wait(at),
            }
        })
    }

    /// A frame of the peer's, as it came.
    async fn frame(&mut self, frame: Frame) {
        self.with(|connection| {
            connection.deadlines.traffic = Instant::now();
            connection.deadlines.pinged = None;
        });
        if let Err(reason) = self.check(&frame) {
            return self.close(reason);
        }
        let mut skip = false;
        if self.session.sees_frames() {
            skip = self.call(Event::Frame(frame.clone())).await == Some(Answer::Skip);
            if self.with(|connection| connection.close.is_some()) {
                return;
            }
        }
        match self.process(frame, skip) {
            Ok(Some(message)) => {
                self.with(|connection| {
                    connection.messages_received += 1;
                    connection.deadlines.message = Instant::now();
                });
                self.call(Event::Message(message)).await;
            }
            Ok(None) => {}
            Err(reason) => self.close(reason),
        }
    }

    /// Whether a frame keeps the protocol and the limits.
    fn check(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        if frame.opcode.is_control() {
            return Ok(());
        }
        let begun = self.begun.as_ref().map_or(0, |begun| begun.bytes.len());
        match (frame.opcode, &self.begun) {
            (Opcode::Continuation, None) => {
                return Err(CloseReason::Protocol("continuation without a beginning (RFC 6455, section 5.4)"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(CloseReason::Protocol("a message inside a message (RFC 6455, section 5.4)"));
            }
            _ if begun + frame.payload.len() > self.world.limits.max_message_size => return Err(CloseReason::TooBig),
            _ => {}
        }
        if frame.opcode != Opcode::Continuation {
            self.begun = Some(Begun { is_text: frame.opcode == Opcode::Text, bytes: Vec::new() });
        }
        Ok(())
    }

    /// What becomes of a frame; a message when it was the last of one. What was skipped is not part of it.
    fn process(&mut self, frame: Frame, skip: bool) -> Result<Option<Message>, CloseReason> {
        match frame.opcode {
            Opcode::Ping if !skip => self.tell(Payload::Pong(frame.payload.to_vec())),
            Opcode::Ping | Opcode::Pong | Opcode::Close => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if let Some(begun) = self.begun.as_mut().filter(|_| !skip) {
                    begun.bytes.extend_from_slice(&frame.payload);
                }
                if frame.fin
                    && let Some(Begun { is_text, bytes }) = self.begun.take()
                    && !skip
                {
                    return message(is_text, bytes).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The peer closes. A plugin that sees frames sees that one, too; it is answered whatever the plugin says.
    async fn answer_close(&mut self, frame: Option<CloseFrame>) -> CloseFrame {
        if self.session.sees_frames() {
            let payload = frame.as_ref().map_or_else(Bytes::new, |frame| {
                [&frame.code().get().to_be_bytes()[..], frame.reason().as_bytes()].concat().into()
            });
            self.call(Event::Frame(Frame { opcode: Opcode::Close, fin: true, payload })).await;
        }
        frame.unwrap_or_else(CloseFrame::no_status)
    }

    /// The heartbeat. A peer that answers pings does so at once, and nobody has to be told.
    async fn ping(&mut self) {
        let payload = self.world.state().heartbeat.payload().as_bytes().to_vec();
        let now = Instant::now();
        let answers = self.with(|connection| {
            connection.deadlines.traffic = now;
            connection.deadlines.pinged = Some(now).filter(|_| !connection.patience.answers);
            connection.patience.answers
        });
        if !answers {
            self.note(Happened::Receives { payload: Payload::Ping(payload) });
        } else if self.session.sees_frames() {
            self.call(Event::Frame(Frame { opcode: Opcode::Pong, fin: true, payload: payload.into() })).await;
        }
    }

    /// A call, and what the connection makes of its answer.
    async fn call(&mut self, event: Event) -> Option<Answer> {
        let outcome = {
            let _calling = self.world.calling();
            match self.session.call(event) {
                Call::Done(outcome) => outcome,
                Call::Pending(outcome) => outcome.await,
            }
        };
        match outcome {
            Ok(Answer::Close(frame)) => self.close(CloseReason::Plugin(frame)),
            Ok(answer) => return Some(answer),
            Err(CallError::Died { event, .. }) => self.close(CloseReason::PluginFailed(event)),
            Err(error) => self.close(CloseReason::Host(error.event())),
        }
        None
    }

    /// Tells both sides how it ended.
    async fn finish(mut self, end: End) {
        let (frame, cause) = match &end {
            End::Host(reason) => (self.world.frame(reason), reason.cause()),
            End::Client(frame) => (frame.clone(), Cause::Client),
            End::Gone => (CloseFrame::abnormal(), Cause::Disconnected),
        };
        // A peer that went away while it was closed hears nothing.
        let vanished = self.with(|connection| {
            connection.phase = Phase::Closing;
            connection.topics.clear();
            connection.flushing.clear();
            connection.incoming.contains(&Input::Vanished) || matches!(end, End::Gone)
        });
        if let End::Host(_) = end
            && !vanished
        {
            let waited = self.with(Connection::take_in);
            waited.into_iter().for_each(|payload| self.note(Happened::Receives { payload }));
            self.with(|connection| connection.inbox.push_back(Arrived::Closed(frame.clone())));
            let (code, reason) = (frame.code().get(), frame.reason().to_string());
            self.note(Happened::Closed { code, reason, cause: cause.as_str() });
        }
        let ending = self.with(|connection| Ending {
            frame,
            cause,
            clean: !vanished,
            duration: connection.deadlines.started.elapsed(),
            messages_received: connection.messages_received,
            messages_sent: connection.messages_sent,
        });
        let _calling = self.world.calling();
        // Whoever fails in its last call has said so to the log.
        let _ = match self.session.call(Event::Close(ending)) {
            Call::Done(outcome) => outcome,
            Call::Pending(outcome) => outcome.await,
        };
        self.with(|connection| connection.phase = Phase::Gone);
    }

    fn close(&self, reason: CloseReason) {
        self.with(|connection| connection.close(reason));
    }

    /// Something of the host's for the peer.
    fn tell(&self, payload: Payload) {
        self.with(|connection| connection.inbox.push_back(Arrived::Payload(payload.clone())));
        self.note(Happened::Receives { payload });
    }

    fn note(&self, event: Happened) {
        let name = self.with(|connection| connection.name.clone());
        self.world.happened(Some(&name), event);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        let mut state = self.world.state();
        work(state.connections.get_mut(&self.id).expect("a connection that is served stays in the world"))
    }
}

fn message(is_text: bool, bytes: Vec<u8>) -> Result<Message, CloseReason> {
    if !is_text {
        return Ok(Message::Binary(bytes.into()));
    }
    String::from_utf8(bytes).map(|text| Message::Text(text.into())).map_err(|_| CloseReason::NotUtf8)
}

/// A close frame that a peer may send.
pub(crate) fn close_of_peer(code: u16, reason: &str) -> Option<CloseFrame> {
    let code = CloseCode::from_wire(code)?;
    (reason.len() <= CloseFrame::MAX_REASON).then(|| CloseFrame::received(code, reason.into()))
}
