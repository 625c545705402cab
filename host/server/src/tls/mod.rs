//! TLS on listeners, by rustls.
//!
//! `settings` name files, `material` is what was in them, an `acceptor` makes handshakes with that, and a `stream` is what comes of one:
//! an arm of the two halves of a connection's socket.

mod acceptor;
mod certificate;
mod client;
mod files;
mod io;
mod material;
mod names;
mod session;
mod settings;
mod stamps;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use acceptor::Failed;
pub use acceptor::TlsAcceptor;
pub use client::ClientCertificate;
pub(crate) use client::Secured;
pub(crate) use io::Io;
pub use material::{Tls, TlsCertificate};
pub use settings::{CertificateFiles, ClientAuth, TlsPart, TlsProblem, TlsSettings, TlsVersion};
pub use stamps::Stamps;
pub(crate) use stream::{TlsReader, TlsWriter};
