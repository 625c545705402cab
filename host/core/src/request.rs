//! The request that asks for a WebSocket, and the responses that are not a 101.

use crate::{ConnectionId, Trace};
use bytes::Bytes;
use std::net::IpAddr;

/// One HTTP header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, in lower case.
    pub name: String,
    /// The value; ISO 8859-1 where it was not UTF-8.
    pub value: String,
}

/// A request that asks for a WebSocket and has passed the checks of RFC 6455, section 4.2.1.
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// The connection that this request becomes when it is accepted.
    pub connection: ConnectionId,
    /// The name of the listener that accepted it.
    pub listener: String,
    /// The method.
    pub method: String,
    /// Whether the client reached the host over TLS.
    pub secure: bool,
    /// Host and port as the client named them.
    pub authority: String,
    /// The path, percent-decoded.
    pub path: String,
    /// The query, not decoded, without its question mark.
    pub query: Option<String>,
    /// The header fields, in order.
    pub headers: Vec<Field>,
    /// What the route's path pattern captured, in order.
    pub captures: Vec<(String, String)>,
    /// The client's address; none on a UNIX socket.
    pub client_ip: Option<IpAddr>,
    /// The client's port; 0 where there is none.
    pub client_port: u16,
    /// Further facts by name: `tenant`, `route`, `http.version`, `local.address`, `proxy.address`, `tls.*`, `traceparent`, `tracestate`.
    pub attributes: Vec<(String, String)>,
    /// Where it is recorded what becomes of it.
    pub trace: Option<Trace>,
}

/// An HTTP response that is not a 101, as a plugin gave it: not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<Field>,
    /// The body.
    pub body: Bytes,
}

impl UpgradeRequest {
    /// The first value of a header field, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// A capture of the route's path pattern.
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for UpgradeRequest {
    // Headers and query carry credentials: they stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("connection", &self.connection)
            .field("listener", &self.listener)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
