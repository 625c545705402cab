//! Sockets to messages: listeners, HTTP, routing, handshake, framing, the connection task and the registry.
//!
//! An upgrade request goes listener → http → route → handshake and origin checks → authenticators → `on-upgrade` →
//! 101 → connection task. What connections do is behind the traits of `socklet-core`; nothing here knows of WebAssembly.

mod admission;
mod clients;
mod closing;
mod compression;
mod config;
mod connection;
mod drain;
mod edge;
mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gate;
mod handshake;
mod http;
mod http2;
mod inherited;
mod listener;
mod listeners;
mod mask;
mod metrics;
mod operate;
mod rate;
mod registry;
mod request;
mod route;
mod routing;
mod scope;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod workers;

pub use closing::{Leaving, Progress};
pub use compression::{Compression, Level, WindowBits};
pub use config::{ConnectionLimits, RouteConfig, ServerConfig, SlowConsumer};
pub use drain::{Drain, DrainReport};
pub use edge::{Edge, InvalidProxy, ProxyProtocol, RealIpHeader, TrustedProxies, TrustedProxy};
pub use handshake::{InvalidOrigin, OriginPattern, Origins};
pub use inherited::inherit_sockets;
pub use listener::{Bind, BindError, InvalidBind, Listener, ListenerConfig};
pub use listeners::{ListenerStatus, Stopped};
pub use mask::Mask;
pub use metrics::Metrics;
pub use operate::{ConnectionFilter, ConnectionState, ConnectionView, RouteView, Traffic};
pub use registry::RouteConnections;
pub use route::{Route, Routes};
pub use routing::{HeaderCondition, HostPattern, InvalidHeader, InvalidHost, InvalidPath, PathPattern, RouteConflict};
pub use scope::Scope;
pub use server::Server;
pub use tls::{
    CertificateFiles, ClientAuth, ClientCertificate, Stamps, Tls, TlsAcceptor, TlsCertificate, TlsPart, TlsProblem,
    TlsSettings, TlsVersion,
};
pub use workers::Workers;
