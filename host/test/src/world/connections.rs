//! How the plugin reaches the connections of its route: as in a host, with peers that read at once where they read at all.

use super::{
    State, World,
    connection::{Arrived, Connection, Phase},
};
use crate::{
    conversation::{Event, Payload},
    limits::{Limits, SlowConsumer},
};
use bytes::Bytes;
use socklet_core::{
    BoxFuture, CloseFrame, CloseReason, ConnectionId, Connections, Heartbeat, MessageRef, Opcode, Principal, SendError,
    SubscribeError,
};
use std::sync::Arc;
use tokio::{sync::oneshot, time::Instant};

/// The largest attachment in bytes.
const MAX_ATTACHMENT: usize = 16 * 1024;
/// Topics of one connection.
const MAX_TOPICS: usize = 128;
/// Bytes of a control frame, RFC 6455 section 5.5.
const MAX_CONTROL: usize = 125;

// === impl World ===

impl World {
    fn find<T>(
        &self,
        id: ConnectionId,
        work: impl FnOnce(&mut Connection) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let mut state = self.state();
        let connection = state.connections.get_mut(&id).filter(|connection| connection.is_known());
        work(connection.ok_or(SendError::Unknown)?)
    }

    /// Queues a payload; a peer that reads has it at once.
    fn queue(&self, state: &mut State, id: ConnectionId, payload: Payload, bytes: usize) -> Result<(), SendError> {
        let connection = state.connections.get_mut(&id).ok_or(SendError::Unknown)?;
        connection.check_open()?;
        connection.make_room(bytes, &self.limits)?;
        connection.messages_sent += u64::from(payload.completes());
        if connection.patience.reads {
            let name = connection.arrives(payload.clone());
            state.note(self.passed(), Some(&name), Event::Receives { payload });
        } else {
            connection.deadlines.stalled.get_or_insert_with(Instant::now);
            connection.outbox.push_back(payload);
            connection.queued += bytes;
        }
        Ok(())
    }

    fn fan_out(&self, message: MessageRef<'_>, but: Option<ConnectionId>, to: impl Fn(&Connection) -> bool) -> u64 {
        let mut state = self.state();
        let wanted = |(id, connection): (&ConnectionId, &Connection)| {
            (connection.is_open() && Some(*id) != but && to(connection)).then_some(*id)
        };
        let receivers: Vec<_> = state.connections.iter().filter_map(wanted).collect();
        let sent = receivers.into_iter().map(|id| self.message(&mut state, id, message));
        sent.filter(Result::is_ok).count() as u64
    }

    fn message(&self, state: &mut State, id: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        if let Some(connection) = state.connections.get(&id) {
            connection.check_open()?;
            if connection.fragment.is_some() {
                return Err(SendError::Invalid);
            }
        }
        let payload = match message {
            MessageRef::Text(text) => Payload::Text(text.to_owned()),
            MessageRef::Binary(bytes) => Payload::Binary(bytes.to_vec()),
        };
        self.queue(state, id, payload, framed(message.len()))
    }

    /// From now on a peer reads, or does not. What waited arrives.
    pub(crate) fn reads(&self, id: ConnectionId, reads: bool) {
        let mut state = self.state();
        let Some(connection) = state.connections.get_mut(&id) else { return };
        connection.patience.reads = reads;
        if reads {
            let waited = connection.take_in();
            let (name, at) = (connection.name.clone(), self.passed());
            connection.deadlines.traffic = Instant::now();
            // Whoever does not wait any more need not be told.
            connection.flushing.drain(..).for_each(|flushing| _ = flushing.send(()));
            connection.wake.notify_one();
            for payload in waited {
                state.note(at, Some(&name), Event::Receives { payload });
            }
        }
    }
}

impl Connections for World {
    fn ids(&self) -> Vec<ConnectionId> {
        self.state().connections.iter().filter(|(_, connection)| connection.is_open()).map(|(id, _)| *id).collect()
    }

    fn count(&self) -> usize {
        self.ids().len()
    }

    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        self.message(&mut self.state(), to, message)
    }

    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(message, but, |_| true)
    }

    fn send_frame(&self, to: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        let mut state = self.state();
        let connection = state.connections.get_mut(&to).ok_or(SendError::Unknown)?;
        connection.check_open()?;
        let allowed = match opcode {
            Opcode::Close => false,
            Opcode::Ping | Opcode::Pong => fin && payload.len() <= MAX_CONTROL,
            Opcode::Continuation => connection.fragment.is_some(),
            Opcode::Text | Opcode::Binary => connection.fragment.is_none(),
        };
        if !allowed {
            return Err(SendError::Invalid);
        }
        let message = (!opcode.is_control()).then(|| {
            let (of, mut bytes) = connection.fragment.clone().unwrap_or((opcode, Vec::new()));
            bytes.extend_from_slice(payload);
            (of, bytes)
        });
        // A text may be split inside a character; as a whole it is UTF-8.
        if fin && matches!(&message, Some((Opcode::Text, bytes)) if std::str::from_utf8(bytes).is_err()) {
            return Err(SendError::Invalid);
        }
        self.queue(&mut state, to, Payload::of_frame(opcode, fin, payload), framed(payload.len()))?;
        if let Some(connection) = state.connections.get_mut(&to)
            && !opcode.is_control()
        {
            connection.fragment = message.filter(|_| !fin);
        }
        Ok(())
    }

    fn flush(&self, connection: ConnectionId) -> BoxFuture<Result<(), SendError>> {
        let found = self.find(connection, |connection| {
            connection.check_open()?;
            if connection.queued == 0 {
                return Ok(None);
            }
            let (sender, flushed) = oneshot::channel();
            connection.flushing.push(sender);
            Ok(Some(flushed))
        });
        // A peer that does not read keeps the call waiting, for as long as a call may wait.
        Box::pin(async move {
            match found? {
                None => Ok(()),
                Some(flushed) => flushed.await.map_err(|_closed| SendError::Unknown),
            }
        })
    }

    fn queued(&self, connection: ConnectionId) -> u64 {
        self.find(connection, |connection| Ok(connection.queued as u64)).unwrap_or(0)
    }

    fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Result<(), SendError> {
        self.find(connection, |connection| match connection.phase {
            Phase::Opening => Err(SendError::NotOpen),
            Phase::Closing if connection.close.is_none() => Err(SendError::Unknown),
            _ => {
                connection.close(CloseReason::Plugin(frame));
                Ok(())
            }
        })
    }

    fn replace(&self, connection: ConnectionId) -> Result<(), SendError> {
        self.find(connection, |connection| {
            connection.close(CloseReason::Replaced);
            Ok(())
        })
    }

    fn principal_of(&self, connection: ConnectionId) -> Option<Arc<Principal>> {
        self.find(connection, |connection| Ok(connection.principal.clone())).ok()?
    }

    fn attachment(&self, connection: ConnectionId) -> Bytes {
        self.find(connection, |connection| Ok(connection.attachment.clone())).unwrap_or_default()
    }

    fn set_attachment(&self, connection: ConnectionId, value: Bytes) -> Result<(), SendError> {
        self.find(connection, |connection| {
            if value.len() > MAX_ATTACHMENT {
                return Err(SendError::Full);
            }
            connection.attachment = value;
            Ok(())
        })
    }

    fn subscribe(&self, connection: ConnectionId, topic: &str) -> Result<(), SubscribeError> {
        let mut state = self.state();
        let connection = state.connections.get_mut(&connection).filter(|connection| connection.is_open());
        if !matches!(topic.len(), 1..=255) {
            return Err(SubscribeError::Name);
        }
        let topics = &mut connection.ok_or(SubscribeError::Unknown)?.topics;
        if topics.len() >= MAX_TOPICS && !topics.contains(topic) {
            return Err(SubscribeError::TooMany);
        }
        topics.insert(topic.to_owned());
        Ok(())
    }

    fn unsubscribe(&self, connection: ConnectionId, topic: &str) {
        if let Some(connection) = self.state().connections.get_mut(&connection) {
            connection.topics.remove(topic);
        }
    }

    fn publish(&self, topic: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(message, but, |connection| connection.topics.contains(topic))
    }

    fn subscribers(&self, topic: &str) -> Vec<ConnectionId> {
        let state = self.state();
        let wanted = |connection: &Connection| connection.is_open() && connection.topics.contains(topic);
        state.connections.iter().filter(|(_, connection)| wanted(connection)).map(|(id, _)| *id).collect()
    }

    fn heartbeat(&self) -> Heartbeat {
        self.state().heartbeat.clone()
    }

    fn set_heartbeat(&self, heartbeat: Heartbeat) {
        let mut state = self.state();
        state.heartbeat = heartbeat;
        state.connections.values().for_each(|connection| connection.wake.notify_one());
    }
}

// === impl Connection ===

impl Connection {
    fn check_open(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Opening => Err(SendError::NotOpen),
            Phase::Open => Ok(()),
            Phase::Closing | Phase::Gone => Err(SendError::Unknown),
        }
    }

    /// Sees to it that so many bytes can be queued.
    fn make_room(&mut self, bytes: usize, limits: &Limits) -> Result<(), SendError> {
        let max = limits.send_queue_max_bytes;
        if bytes > max {
            return Err(SendError::TooLarge);
        }
        if self.queued + bytes <= max {
            return Ok(());
        }
        match limits.slow_consumer {
            SlowConsumer::Close => self.close(CloseReason::SlowConsumer),
            SlowConsumer::DropNewest => {}
            SlowConsumer::DropOldest => {
                let mut kept = std::collections::VecDeque::new();
                while self.queued + bytes > max
                    && let Some(payload) = self.outbox.pop_front()
                {
                    if payload.is_whole() {
                        self.queued -= framed(payload.len());
                        self.messages_sent -= 1;
                    } else {
                        kept.push_back(payload);
                    }
                }
                kept.append(&mut self.outbox);
                self.outbox = kept;
                if self.queued + bytes <= max {
                    return Ok(());
                }
            }
        }
        Err(SendError::Full)
    }

    /// The peer has it. Returns the peer's name.
    fn arrives(&mut self, payload: Payload) -> String {
        let now = Instant::now();
        self.deadlines.traffic = now;
        if payload.completes() {
            self.deadlines.message = now;
        }
        self.inbox.push_back(Arrived::Payload(payload));
        self.wake.notify_one();
        self.name.clone()
    }
}

/// Bytes of a frame with its header, RFC 6455 section 5.2.
fn framed(payload: usize) -> usize {
    payload
        + match payload {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        }
}

// === impl Payload ===

impl Payload {
    /// Whether it is a message of its own.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// Whether a message is complete with it.
    fn completes(&self) -> bool {
        self.is_whole() || matches!(self, Self::Fragment { fin: true, .. })
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) | Self::Fragment { bytes, .. } => bytes.len(),
        }
    }
}
