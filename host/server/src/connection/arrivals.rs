//! What arrives from the client, one thing after the other, and what needs no guest by the way.

use super::{
    drive::Drive,
    turn::{Turn, turn},
};
use crate::framing::{EncodedFrame, FramingError, Inbound};
use socklet_core::{CloseFrame, CloseReason, Connections, Frame, Message, Opcode};
use tokio::time::Instant;

/// What comes next for the guest.
pub(super) enum Next {
    Open,
    Frame(Frame),
    Message(Message),
    Close(Option<CloseFrame>),
}

/// What a guest decides on.
#[derive(Default)]
pub(super) struct Decision {
    /// The frame that it decides on.
    pub(super) frame: Option<Frame>,
    /// What became of the last one.
    outcome: Option<Result<Option<Inbound>, FramingError>>,
}

// === impl Drive ===

impl Drive {
    /// The next message or close frame of the client, if it is all here. Answers pings by the way.
    pub(super) fn decode(&mut self, now: Instant) -> Option<Next> {
        loop {
            let decided = self.decision.as_mut().and_then(|decision| decision.outcome.take());
            let decided = decided.filter(|decided| *decided != Ok(None));
            match decided.unwrap_or_else(|| self.decoder.decode(self.input.bytes())) {
                Ok(None) => return None,
                Ok(Some(Inbound::Frame(frame))) => {
                    if matches!(frame.opcode, Opcode::Ping | Opcode::Pong) {
                        self.over_control_rate(now);
                    }
                    return Some(Next::Frame(frame));
                }
                Ok(Some(Inbound::Message(message))) => {
                    if self.is_closing() {
                        continue;
                    }
                    self.peer.received().count(message.len());
                    self.metrics.message_received(message.opcode(), message.len());
                    self.clock.message(now);
                    if let Err(limit) = self.rates.message(message.len(), &self.limits, now) {
                        self.over(limit, CloseReason::RateLimit);
                        continue;
                    }
                    match turn(self.route.tenant(), message.len(), now) {
                        Turn::Now => {}
                        Turn::After(wait, quota) => {
                            self.limit_hit(quota);
                            self.held = Some(now + wait);
                        }
                        Turn::Never(quota) => {
                            self.over(quota, CloseReason::OverQuota);
                            continue;
                        }
                    }
                    return Some(Next::Message(message));
                }
                Ok(Some(Inbound::Ping(payload))) => {
                    if self.may_answer(now) && !self.state.sent_close {
                        self.peer.control(&EncodedFrame::frame(Opcode::Pong, true, payload));
                    }
                }
                Ok(Some(Inbound::Pong(payload))) => {
                    let ours = *payload == **self.route.connections.heartbeat().payload().as_bytes();
                    if self.may_answer(now)
                        && ours
                        && let Some(rtt) = self.clock.ponged()
                    {
                        self.metrics.ping_answered(rtt);
                    }
                }
                Ok(Some(Inbound::Close(frame))) => return Some(Next::Close(frame)),
                Err(error) => self.broke_the_protocol(error),
            }
        }
    }

    /// Whether a ping or pong is to be handled. One that the guest has decided on was counted before.
    fn may_answer(&mut self, now: Instant) -> bool {
        self.decision.is_some() || !self.over_control_rate(now)
    }

    fn over_control_rate(&mut self, now: Instant) -> bool {
        let counted = self.rates.control(&self.limits, now);
        counted.map_err(|limit| self.over(limit, CloseReason::RateLimit)).is_err()
    }

    fn over(&mut self, limit: &'static str, reason: CloseReason) {
        if !self.is_closing() {
            self.limit_hit(limit);
            self.close(reason);
        }
    }

    fn limit_hit(&self, limit: &'static str) {
        self.metrics.limit_hit(limit, Some((self.route.tenant().name(), &self.route.config.name)));
    }

    fn broke_the_protocol(&mut self, error: FramingError) {
        self.metrics.protocol_error(error.kind());
        self.state.broken = true;
        self.close(error.into());
    }

    /// What becomes of a frame.
    pub(super) fn decide(&mut self, frame: Frame, skip: bool) {
        let outcome = if skip { self.decoder.skip(frame).map(|()| None) } else { self.decoder.process(frame) };
        if let Some(decision) = &mut self.decision {
            decision.outcome = Some(outcome);
        }
    }

    /// Whether the guest has a frame to decide on: nothing behind it is looked at before.
    pub(super) fn is_undecided(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.frame.is_some())
    }
}
