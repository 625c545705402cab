//! One connection as the plugin and its peer see it.

use super::clock::Deadlines;
use crate::conversation::Payload;
use bytes::Bytes;
use socklet_core::{CloseFrame, CloseReason, Frame, Opcode, Principal};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};
use tokio::sync::{Notify, oneshot};

/// A connection, from before it is opened. It stays when it has ended, for what its peer has not looked at yet.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) name: String,
    pub(super) phase: Phase,
    /// Who closes it, and why: the first counts.
    pub(super) close: Option<CloseReason>,
    pub(crate) subprotocol: Option<String>,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) attachment: Bytes,
    pub(super) topics: BTreeSet<String>,
    /// What the peer sent and the plugin has not been told of.
    pub(crate) incoming: VecDeque<Input>,
    /// What was sent to a peer that does not read.
    pub(super) outbox: VecDeque<Payload>,
    /// The bytes of that, with their frame headers.
    pub(super) queued: usize,
    /// Calls that wait until nothing waits; dropped when the connection closes first.
    pub(super) flushing: Vec<oneshot::Sender<()>>,
    /// What arrived at the peer, and nobody has looked at.
    pub(crate) inbox: VecDeque<Arrived>,
    pub(crate) patience: Patience,
    /// A message of several frames that the plugin has begun: what it is, and what of it was sent.
    pub(super) fragment: Option<(Opcode, Vec<u8>)>,
    pub(super) messages_sent: u64,
    pub(super) messages_received: u64,
    pub(super) deadlines: Deadlines,
    /// Its task has to look.
    pub(crate) wake: Arc<Notify>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `on-open` was not called.
    Opening,
    Open,
    /// It can be looked at, and not be sent to.
    Closing,
    /// `on-close` is over.
    Gone,
}

/// What comes from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Frame(Frame),
    /// A close frame; none where it is empty.
    Close(Option<CloseFrame>),
    /// Nothing more, and no close frame.
    Vanished,
}

/// What a peer hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Payload(Payload),
    Closed(CloseFrame),
}

/// What a peer does by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// It reads what is sent.
    pub(crate) reads: bool,
    /// It answers pings.
    pub(crate) answers: bool,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            phase: Phase::Opening,
            close: None,
            subprotocol: None,
            principal: None,
            attachment: Bytes::new(),
            topics: BTreeSet::new(),
            incoming: VecDeque::new(),
            outbox: VecDeque::new(),
            queued: 0,
            flushing: Vec::new(),
            inbox: VecDeque::new(),
            patience: Patience { reads: true, answers: true },
            fragment: None,
            messages_sent: 0,
            messages_received: 0,
            deadlines: Deadlines::new(),
            wake: Arc::default(),
        }
    }

    /// Who it belongs to is known.
    pub(crate) fn belongs_to(&mut self, principal: Option<Arc<Principal>>) {
        self.principal = principal;
    }

    /// Whether the plugin can still ask about it.
    pub(super) fn is_known(&self) -> bool {
        self.phase != Phase::Gone
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the peer can still send.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Open) && self.close.is_none()
    }

    /// The closing handshake is to begin. The first reason counts.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.close.is_some() || matches!(self.phase, Phase::Closing | Phase::Gone) {
            return;
        }
        if matches!(reason, CloseReason::SlowConsumer | CloseReason::SendTimeout) {
            self.discard();
        }
        self.flushing.clear();
        self.close = Some(reason);
        self.phase = Phase::Closing;
        self.wake.notify_one();
    }

    /// What waits is not sent any more.
    fn discard(&mut self) {
        self.outbox.clear();
        self.queued = 0;
    }

    /// The peer takes what waits, and has it in its inbox.
    pub(super) fn take_in(&mut self) -> Vec<Payload> {
        let waited: Vec<_> = self.outbox.drain(..).collect();
        self.inbox.extend(waited.iter().cloned().map(Arrived::Payload));
        self.queued = 0;
        self.deadlines.stalled = None;
        waited
    }
}
