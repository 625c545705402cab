//! What a load answers to the runner.

use serde::{Deserialize, Serialize};

/// The answer to a command.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Answer {
    /// The connections are open.
    Open,
    /// What a turn showed.
    Turn(Measured),
    /// It did not work, and the load has ended.
    Failed(String),
}

/// What a turn showed. A message is a delivery where messages go to many, and a handshake where there are no messages.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) messages: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) server_ns: u64,
    pub(crate) client_ns: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

// === impl Measured ===

impl Measured {
    /// The figure: nanoseconds of server CPU for a message.
    pub(crate) fn cost(&self) -> f64 {
        self.server_ns as f64 / self.messages.max(1) as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }

    /// Which part of its core the server used.
    pub(crate) fn server_load(&self) -> f64 {
        self.server_ns as f64 / self.elapsed_ns.max(1) as f64
    }

    pub(crate) fn client_load(&self) -> f64 {
        self.client_ns as f64 / self.elapsed_ns.max(1) as f64
    }
}
