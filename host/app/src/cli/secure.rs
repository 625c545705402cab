//! TLS to an admin API: whom it may be, and what it is shown.

use anyhow::{Context, anyhow};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use socklet_server::Tls;
use std::{path::Path, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Makes handshakes with one server.
pub(super) struct Secure {
    name: ServerName<'static>,
    connector: TlsConnector,
}

/// Whom the server may be.
#[derive(Debug)]
pub(super) enum Trust<'a> {
    /// One with this name, signed by one of those in a file.
    SignedBy(&'a Path),
    /// The one whose certificates these are, by whatever name: they are the server's own.
    These(&'a Tls),
    /// One with this name, signed by somebody whom this machine trusts.
    Machine,
}

/// Accepts certificates by themselves.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

// === impl Secure ===

impl Secure {
    /// Prepares for a server at an authority.
    pub(super) fn new(authority: &str, trust: Trust<'_>, shows: Option<(&Path, &Path)>) -> anyhow::Result<Self> {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("failed to read the name {host}"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .context("failed to prepare TLS")?
            .dangerous()
            .with_custom_certificate_verifier(verifier(trust, provider)?);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let failed = || format!("failed to use the key in {}", key.display());
                let private =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| anyhow!("{error}")).with_context(failed)?;
                builder.with_client_auth_cert(certificates(cert)?, private).with_context(failed)?
            }
        };
        Ok(Self { name, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Makes a handshake.
    pub(super) async fn connect(&self, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
        let connected = self.connector.connect(self.name.clone(), stream).await;
        connected.context("failed to make a TLS handshake")
    }
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("name", &self.name).finish_non_exhaustive()
    }
}

fn verifier(trust: Trust<'_>, provider: Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::These(tls) => {
            let files = tls.settings().certificates.iter();
            let certificates = files.map(|files| Ok(certificates(&files.cert)?.swap_remove(0)));
            return Ok(Arc::new(Known { certificates: certificates.collect::<anyhow::Result<_>>()?, provider }));
        }
        Trust::SignedBy(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).with_context(|| format!("failed to trust {}", path.display()))?;
            }
        }
        Trust::Machine => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.context("this machine trusts nobody: name a file with --ca")?)
}

/// The certificates in a file: at least one.
fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let failed = || format!("failed to read the certificate in {}", path.display());
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| anyhow!("{error}")).with_context(failed)?;
    if certificates.is_empty() { Err(anyhow!("there is none")).with_context(failed) } else { Ok(certificates) }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.iter().any(|known| known == certificate) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
