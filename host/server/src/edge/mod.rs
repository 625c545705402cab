//! What stands in front of a listener: proxies, whom it believes, and what they say of clients.
//!
//! [`trust`] knows who is believed, [`proxy`] reads the header of the PROXY protocol, [`forwarded`] the fields of HTTP. Without
//! trusted proxies nothing in here is ever asked: the client is the other end of the socket.

pub(crate) mod forwarded;
pub(crate) mod proxy;
mod seldom;
mod trust;

pub(crate) use seldom::Seldom;
pub use trust::{InvalidProxy, TrustedProxies, TrustedProxy};

use std::{net::SocketAddr, sync::Arc};

/// What a listener expects of whoever stands in front of it. By default nobody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Whether connections begin with a header of the PROXY protocol. It is required then, and taken from trusted proxies only.
    pub proxy_protocol: ProxyProtocol,
    /// The proxies that are believed.
    pub trusted: TrustedProxies,
    /// The field of a request that says who its client is, where a trusted proxy sends it.
    pub real_ip: Option<RealIpHeader>,
    /// Whether HTTP/2 is spoken, too.
    pub http2: bool,
}

/// The versions of the PROXY protocol that a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None: connections begin with TLS or HTTP.
    #[default]
    Off,
    /// The line of text.
    V1,
    /// The binary header.
    V2,
    /// Both.
    Any,
}

/// The field of a request that says who its client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealIpHeader {
    /// `Forwarded` (RFC 7239), with its `for` and `proto`.
    Forwarded,
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` beside it.
    XForwardedFor,
    /// `X-Real-IP`, with `X-Forwarded-Proto` beside it.
    XRealIp,
}

/// By whom a client came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Via {
    edge: Arc<Edge>,
    /// Whether the last one that is known for certain is a trusted proxy.
    trusted: bool,
    /// Whether the socket's header has not been read yet.
    unread: bool,
    /// The proxy that said who the client is; `unix` for one on a UNIX socket.
    proxy: Option<String>,
    /// What that said of the client's own connection: whether it is secure.
    secure: Option<bool>,
}

// === impl Via ===

impl Via {
    /// Somebody connects, from an address; none: over a UNIX socket.
    pub(crate) fn new(edge: Arc<Edge>, peer: Option<SocketAddr>) -> Self {
        let trusted = edge.trusted.contain(peer.map(|peer| peer.ip()));
        let unread = edge.proxy_protocol != ProxyProtocol::Off;
        Self { edge, trusted, unread, proxy: None, secure: None }
    }

    /// Whether this socket may be served: where headers are required, only trusted proxies send them.
    pub(crate) fn may_begin(&self) -> bool {
        self.trusted || !self.unread
    }

    /// Whether the socket goes on with a header of the PROXY protocol.
    pub(crate) fn expects_header(&self) -> bool {
        self.unread
    }

    /// Whether each request says who its client is.
    pub(crate) fn expects_field(&self) -> bool {
        self.trusted && self.edge.real_ip.is_some()
    }

    /// Whether the client is known: by the socket's address, or by its header.
    pub(crate) fn knows_client(&self) -> bool {
        !self.unread && !self.expects_field()
    }

    /// Whether HTTP/2 is spoken, too.
    pub(crate) fn may_speak_http2(&self) -> bool {
        self.edge.http2
    }

    /// The proxy that said who the client is.
    pub(crate) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Whether the client's own connection is secure, where a proxy has said that.
    pub(crate) fn secure(&self) -> Option<bool> {
        self.secure
    }
}
