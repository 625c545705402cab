//! The seam through which plugins reach connections: one route of one tenant, nothing else.

use crate::{BoxFuture, CloseFrame, ConnectionId, Heartbeat, MessageRef, Opcode, Principal};
use bytes::Bytes;
use std::{fmt::Debug, sync::Arc};

/// The connections of one route. An id from elsewhere is unknown. Nothing here waits, except [`Connections::flush`].
pub trait Connections: Debug + Send + Sync {
    /// Every open connection.
    fn ids(&self) -> Vec<ConnectionId>;

    /// How many connections are open.
    fn count(&self) -> usize;

    /// Queues a message for one connection.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was queued then.
    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError>;

    /// Queues a message for every open connection but one; returns how many accepted it.
    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64;

    /// Queues one frame.
    ///
    /// # Errors
    ///
    /// [`SendError::Invalid`] when RFC 6455 does not allow the frame at this point, or it is a close frame.
    fn send_frame(&self, to: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError>;

    /// Waits until everything queued so far was written to the socket.
    ///
    /// # Errors
    ///
    /// [`SendError::Unknown`] when the connection ended first.
    fn flush(&self, connection: ConnectionId) -> BoxFuture<Result<(), SendError>>;

    /// Bytes queued and not yet written.
    fn queued(&self, connection: ConnectionId) -> u64;

    /// Starts the closing handshake. The first close frame wins.
    ///
    /// # Errors
    ///
    /// [`SendError::Unknown`] or [`SendError::NotOpen`].
    fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Result<(), SendError>;

    /// Closes a connection because its plugin has another version, and it cannot go on with that; also one that is still opening.
    ///
    /// # Errors
    ///
    /// [`SendError::Unknown`].
    fn replace(&self, connection: ConnectionId) -> Result<(), SendError>;

    /// Who the connection belongs to.
    fn principal_of(&self, connection: ConnectionId) -> Option<Arc<Principal>>;

    /// What [`Connections::set_attachment`] left.
    fn attachment(&self, connection: ConnectionId) -> Bytes;

    /// Keeps up to 16 KiB with the connection.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] when it is larger, [`SendError::Unknown`].
    fn set_attachment(&self, connection: ConnectionId, value: Bytes) -> Result<(), SendError>;

    /// Adds a connection to a topic.
    ///
    /// # Errors
    ///
    /// See [`SubscribeError`].
    fn subscribe(&self, connection: ConnectionId, topic: &str) -> Result<(), SubscribeError>;

    /// Takes a connection out of a topic.
    fn unsubscribe(&self, connection: ConnectionId, topic: &str);

    /// Queues a message for every subscriber but one; returns how many accepted it.
    fn publish(&self, topic: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64;

    /// The subscribers of a topic.
    fn subscribers(&self, topic: &str) -> Vec<ConnectionId>;

    /// The route's heartbeat.
    fn heartbeat(&self) -> Heartbeat;

    /// Changes the route's heartbeat, for live connections too.
    fn set_heartbeat(&self, heartbeat: Heartbeat);
}

/// Why nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such connection here, or it is closing.
    #[error("no such connection")]
    Unknown,
    /// `on-open` has not been called yet.
    #[error("the connection is not open yet")]
    NotOpen,
    /// The queue, or the attachment, is full.
    #[error("the send queue is full")]
    Full,
    /// Not allowed by RFC 6455 here.
    #[error("not a frame that RFC 6455 allows here")]
    Invalid,
    /// Larger than the whole send queue.
    #[error("larger than the send queue")]
    TooLarge,
}

/// Why a connection was not added to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// No such connection here, or it is closing.
    #[error("no such connection")]
    Unknown,
    /// Not 1 to 255 bytes.
    #[error("a topic's name has 1 to 255 bytes")]
    Name,
    /// The connection is in 128 topics.
    #[error("a connection can be in at most 128 topics")]
    TooMany,
    /// The topic would be one more than the tenant's quota.
    #[error("the tenant has as many topics as its quota allows")]
    Quota,
}
