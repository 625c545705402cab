//! What connections may do, as a route has it.

use std::time::Duration;

/// The limits of connections. The defaults are those of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message of a peer: 64 KiB.
    pub max_message_size: usize,
    /// Bytes that may wait for a peer that does not read: 1 MiB.
    pub send_queue_max_bytes: usize,
    /// What becomes of a connection for which more waits.
    pub slow_consumer: SlowConsumer,
    /// How long what was sent may wait for a peer that does not read: 30 s.
    pub send_timeout: Duration,
    /// How long a peer may take to answer a ping: 10 s.
    pub pong_timeout: Duration,
    /// How long a connection may be without a message. None: for ever.
    pub idle_timeout: Option<Duration>,
    /// How old a connection may become. None: as it likes.
    pub max_lifetime: Option<Duration>,
}

/// What happens when more is sent than a peer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// The connection closes with 1013.
    #[default]
    Close,
    /// What does not fit is not sent.
    DropNewest,
    /// What has waited longest is dropped.
    DropOldest,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: 64 << 10,
            send_queue_max_bytes: 1 << 20,
            slow_consumer: SlowConsumer::Close,
            send_timeout: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            idle_timeout: None,
            max_lifetime: None,
        }
    }
}
