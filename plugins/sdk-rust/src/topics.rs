//! Named groups of connections, inside the route.

use crate::bindings::behavior_plugin::socklet::plugin::topics as host;
use crate::{Connection, Message};
use std::error::Error;
use std::fmt;

/// Why a connection was not added to a topic, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicError(String);

/// Adds a connection to a topic. Subscribing twice is fine; it leaves by itself when it closes.
///
/// # Errors
///
/// When the name has not 1 to 255 bytes, the connection is in 128 topics already, or the tenant has used up its quota of topics.
pub fn subscribe(connection: Connection, topic: &str) -> Result<(), TopicError> {
    host::subscribe(connection.id(), topic).map_err(TopicError)
}

/// Takes a connection out of a topic; nothing happens when it is not in it.
pub fn unsubscribe(connection: Connection, topic: &str) {
    host::unsubscribe(connection.id(), topic);
}

/// Queues a message for every subscriber but one; returns how many on this node accepted it.
pub fn publish(topic: &str, message: impl Into<Message>, but: Option<Connection>) -> u64 {
    host::publish(topic, &message.into(), but.map(Connection::id))
}

/// The subscribers of a topic.
pub fn subscribers(topic: &str) -> Vec<Connection> {
    host::subscribers(topic).into_iter().map(Connection::from_id).collect()
}

// === impl TopicError ===

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TopicError {}
