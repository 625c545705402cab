//! HTTP requests of plugins: only to origins that they are granted, to addresses that were checked, and within limits.

mod address;
mod dial;
mod origin;
mod send;

pub(crate) use origin::Destination;
pub use origin::{AllowedOrigin, InvalidOrigin};
pub(crate) use send::{Behind, Client, Queue};

use std::time::Duration;

/// What a request may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// For the address, the connection and TLS; and for the wait for others of the tenant.
    pub connect_timeout: Duration,
    /// From the request to the head of the response.
    pub first_byte_timeout: Duration,
    /// In all, the response included.
    pub timeout: Duration,
    /// Bytes of a request's body.
    pub request_max: usize,
    /// Bytes of a response's body.
    pub response_max: usize,
}

// === impl HttpLimits ===

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            request_max: 1 << 20,
            response_max: 4 << 20,
        }
    }
}
