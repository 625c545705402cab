//! Connections: the name is resolved once, the addresses are checked, and one of these is connected to.

use super::{
    address::is_public,
    origin::{Destination, DestinationHost},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::spawn_blocking,
};
use tokio_rustls::TlsConnector;
use tracing::warn;
use wasmtime_wasi_http::Error;

/// Addresses of a name that are tried, one after the other.
const ATTEMPTS: usize = 4;

/// What a request goes over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How TLS is spoken. Made with the first request that needs it: the certificates of the system are read then.
#[derive(Default)]
pub(super) struct Secure(OnceLock<Arc<ClientConfig>>);

/// Connects. To be given up by whoever waits after a while.
pub(super) async fn connect(to: &Destination, private: bool, secure: &Secure) -> Result<Box<dyn Stream>, Error> {
    let stream = reach(&resolve(to, private).await?).await?;
    // Requests are one write; it need not wait for another.
    let _ = stream.set_nodelay(true);
    if !to.secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(to.server_name()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let connector = TlsConnector::from(secure.config().await?);
    Ok(Box::new(connector.connect(name, stream).await.map_err(Error::Tls)?))
}

/// The addresses that may be connected to.
async fn resolve(to: &Destination, private: bool) -> Result<Vec<SocketAddr>, Error> {
    let name = match &to.host {
        // The operator has written this very address.
        DestinationHost::Address(address) => return Ok(vec![SocketAddr::new(*address, to.port)]),
        DestinationHost::Name(name) => name,
    };
    let found = lookup_host((name.as_str(), to.port)).await;
    let found: Vec<_> = found.map_err(|_| Error::DnsError { rcode: None, info_code: None })?.collect();
    if found.is_empty() {
        return Err(Error::DnsError { rcode: None, info_code: None });
    }
    let allowed: Vec<_> =
        found.into_iter().filter(|address| private || is_public(address.ip())).take(ATTEMPTS).collect();
    if allowed.is_empty() { Err(Error::DestinationIpProhibited) } else { Ok(allowed) }
}

async fn reach(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationUnavailable;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => last = Error::ConnectionRefused,
            Err(_) => last = Error::DestinationUnavailable,
        }
    }
    Err(last)
}

// === impl Secure ===

impl Secure {
    async fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        // They are files.
        let config = spawn_blocking(config).await.map_err(|_| Error::ConfigurationError)??;
        Ok(self.0.get_or_init(|| config).clone())
    }
}

/// Trusts whom the system trusts.
fn config() -> Result<Arc<ClientConfig>, Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "failed to read certificates of the system, for HTTP requests of plugins");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|_| Error::ConfigurationError)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
