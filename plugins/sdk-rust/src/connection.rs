//! A connection of the route, as a handle.

use crate::bindings::behavior_plugin::socklet::plugin::connections as host;
use crate::{Close, Message, Opcode, Principal, SendError, topics};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Names one connection of this route. Copies are the same connection; it may have ended, then sends say `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(u64);

/// Every open connection of the route.
pub fn connections() -> Vec<Connection> {
    host::ids().into_iter().map(Connection).collect()
}

/// How many connections the route has.
pub fn count() -> u64 {
    host::count()
}

/// Queues a message for every connection but one; returns how many on this node accepted it.
pub fn send_all(message: impl Into<Message>, but: Option<Connection>) -> u64 {
    host::send_all(&message.into(), but.map(Connection::id))
}

// === impl Connection ===

impl Connection {
    /// The connection with this id; nothing checks that there is one.
    pub fn from_id(id: u64) -> Self {
        Self(id)
    }

    /// The id: opaque, unique in the cluster, below 2^53.
    pub fn id(self) -> u64 {
        self.0
    }

    /// Queues a message: text from a string, binary from bytes. Never waits; `Ok` means queued, not delivered.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] when the queue is full; then nothing was queued. See [`SendError`] for the rest.
    pub fn send(self, message: impl Into<Message>) -> Result<(), SendError> {
        host::send(self.0, &message.into())
    }

    /// Queues a value as JSON in a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Invalid`] when the value has no JSON.
    pub fn send_json(self, value: &impl Serialize) -> Result<(), SendError> {
        self.send(serde_json::to_string(value).map_err(|_| SendError::Invalid)?)
    }

    /// Queues one frame: a fragment, a ping of one's own.
    ///
    /// # Errors
    ///
    /// [`SendError::Invalid`] for close frames and for what RFC 6455 does not allow here.
    pub fn send_frame(self, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        host::send_frame(self.0, opcode, fin, payload)
    }

    /// Waits until everything queued was written to the socket.
    ///
    /// # Errors
    ///
    /// [`SendError::Unknown`] when the connection closed first.
    pub fn flush(self) -> Result<(), SendError> {
        host::flush(self.0)
    }

    /// Bytes queued and not yet written; 0 for an unknown connection.
    pub fn queued(self) -> u64 {
        host::queued(self.0)
    }

    /// Starts the closing handshake, after what is queued already. The first close frame wins.
    ///
    /// # Errors
    ///
    /// [`SendError::Unknown`] when there is no such connection; [`SendError::Invalid`] for a code that a plugin may not send.
    pub fn close(self, close: Close) -> Result<(), SendError> {
        host::close(self.0, &close.into())
    }

    /// Who the connection belongs to.
    pub fn principal(self) -> Option<Principal> {
        host::principal_of(self.0)
    }

    /// What the host keeps with the connection; empty until it is set.
    pub fn attachment(self) -> Vec<u8> {
        host::attachment(self.0)
    }

    /// Replaces the attachment.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] above 16 KiB; the old value stays.
    pub fn set_attachment(self, value: &[u8]) -> Result<(), SendError> {
        host::set_attachment(self.0, value)
    }

    /// The attachment, from JSON; `None` when there is none or it is of another shape.
    pub fn attached<T: DeserializeOwned>(self) -> Option<T> {
        serde_json::from_slice(&self.attachment()).ok()
    }

    /// Replaces the attachment by a value as JSON.
    ///
    /// # Errors
    ///
    /// As [`set_attachment`](Self::set_attachment); [`SendError::Invalid`] when the value has no JSON.
    pub fn attach(self, value: &impl Serialize) -> Result<(), SendError> {
        self.set_attachment(&serde_json::to_vec(value).map_err(|_| SendError::Invalid)?)
    }

    /// Adds the connection to a topic. It leaves by itself when it closes.
    ///
    /// # Errors
    ///
    /// When the name has not 1 to 255 bytes, or the connection is in 128 topics already.
    pub fn subscribe(self, topic: &str) -> Result<(), topics::TopicError> {
        topics::subscribe(self, topic)
    }

    /// Takes the connection out of a topic.
    pub fn unsubscribe(self, topic: &str) {
        topics::unsubscribe(self, topic);
    }
}
