//! What the server is told: decoded once, by `app`, into types that cannot hold a wrong value.

use crate::{Compression, Mask, Origins, PathPattern};
use socklet_core::{Heartbeat, ListenerName, Rate, RouteName};
use std::{path::PathBuf, time::Duration};

/// What holds for the whole node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// From accept to 101; also the longest that a plain HTTP connection may wait for its next request. Default 10 s.
    pub handshake_timeout: Duration,
    /// The largest request head in bytes. Default 16 KiB.
    pub max_header_bytes: usize,
    /// The most header fields in a request. Default 100.
    pub max_headers: usize,
    /// The most WebSocket connections of the node; over it upgrades are refused with 503. Default 10,000.
    pub max_connections: usize,
    /// The most sockets from one client address; over it requests are refused with 429. Default: no limit.
    pub max_connections_per_ip: Option<usize>,
    /// How fast one client address may open WebSocket connections; over it 429. Default: no limit.
    pub connection_rate: Option<Rate>,
    /// How many threads serve connections. Default: one for each core that the process may use.
    pub workers: Option<usize>,
    /// What the logs must not show.
    pub mask: Mask,
}

/// What a route is: where it is found, and what holds for its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Its name, unique within the tenant.
    pub name: RouteName,
    /// The listeners that serve it; empty for all.
    pub listeners: Vec<ListenerName>,
    /// The hosts that it serves, such as `example.com` or `*.example.com`; empty for all.
    pub hosts: Vec<String>,
    /// The paths that it serves.
    pub path: PathPattern,
    /// Header fields (lower-case names) that a request must carry, all of them.
    pub headers: Vec<(String, String)>,
    /// The web pages that may connect.
    pub origins: Origins,
    /// The subprotocols that the host picks from, most wanted first, where the plugin does not choose.
    pub subprotocols: Vec<String>,
    /// How messages are compressed where the client offers it; none: they are not.
    pub compression: Option<Compression>,
    /// Limits of each connection.
    pub limits: ConnectionLimits,
    /// The heartbeat to start with; a plugin may change it.
    pub heartbeat: Heartbeat,
    /// A folder of plain files to serve beside the sockets.
    pub files: Option<PathBuf>,
}

/// What one connection may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The largest message in bytes, fragments together; over it 1009. Default 64 KiB.
    pub max_message_size: usize,
    /// The largest frame in bytes; over it 1009. Default 64 KiB.
    pub max_frame_size: usize,
    /// The most fragments of a message; over it 1008. Default 1,024.
    pub max_fragments: usize,
    /// How many times its size on the wire a compressed message may become, where it becomes more than 64 KiB; over it 1009.
    /// Default 100.
    pub max_inflated_ratio: usize,
    /// How fast pings and pongs may arrive; over it 1008. Default 100/s.
    pub control_frame_rate: Rate,
    /// How fast messages may arrive; over it 1008. Default: no limit.
    pub messages_per_second: Option<Rate>,
    /// How many bytes of messages may arrive in a second; over it 1008. Default: no limit.
    pub bytes_per_second: Option<u64>,
    /// The most bytes that wait to be written. Default 1 MiB.
    pub send_queue_max_bytes: usize,
    /// What happens when they are more. Default `close`.
    pub slow_consumer: SlowConsumer,
    /// How long output may wait for the client to read it; then the connection ends. Default 30 s.
    pub send_timeout: Duration,
    /// How long the closing handshake may take. Default 5 s.
    pub close_timeout: Duration,
    /// How long a ping may go unanswered. Default 10 s.
    pub pong_timeout: Duration,
    /// How long a connection may live without a message in either direction; then 1001. Default: no limit.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may live; then 1001. Default: no limit.
    pub max_lifetime: Option<Duration>,
    /// The most connections of the route; over it 503. Default: no limit.
    pub max_connections: Option<usize>,
}

/// What happens to a connection whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// It is closed with 1013; what is queued is dropped.
    #[default]
    Close,
    /// A message that does not fit is not queued, and whoever sends it is told so; a fan-out skips the connection. The client is
    /// not told of the gap.
    DropNewest,
    /// The oldest whole messages that wait are dropped to make room, never control frames, never fragments, never a message that
    /// has begun to be written. The client is not told of the gap.
    DropOldest,
}

// === impl ServerConfig ===

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            max_header_bytes: 16 * 1024,
            max_headers: 100,
            max_connections: 10_000,
            max_connections_per_ip: None,
            connection_rate: None,
            workers: None,
            mask: Mask::default(),
        }
    }
}

// === impl ConnectionLimits ===

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_message_size: 64 * 1024,
            max_frame_size: 64 * 1024,
            max_fragments: 1024,
            max_inflated_ratio: 100,
            control_frame_rate: Rate::per_second(100),
            messages_per_second: None,
            bytes_per_second: None,
            send_queue_max_bytes: 1024 * 1024,
            slow_consumer: SlowConsumer::Close,
            send_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            pong_timeout: Duration::from_secs(10),
            idle_timeout: None,
            max_lifetime: None,
            max_connections: None,
        }
    }
}
