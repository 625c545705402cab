//! What is said of a listener's TLS, and what is wrong with it.

use super::stamps::Stamps;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// How a listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one. The first is for clients that name no host, or one that no certificate has.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered (ALPN).
    pub http2: bool,
}

/// The files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that it was signed by, in PEM, the certificate first.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// A file with the password of the key, where the key is encrypted.
    pub key_password: Option<PathBuf>,
}

/// Whether clients show certificates, and a file in PEM with those who may have signed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked. One that shows none is served, one that shows another's is not.
    Optional(PathBuf),
    /// Without one they are not served.
    Required(PathBuf),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    #[default]
    V12,
    /// 1.3 (RFC 8446).
    V13,
}

/// Which of the files something is about; the number is that of the certificate, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    /// The file of a certificate.
    Cert(usize),
    /// The file of a private key.
    Key(usize),
    /// The file of a private key's password.
    KeyPassword(usize),
    /// The file of those who sign clients' certificates.
    ClientCa,
}

/// Something that is wrong with a file. Never repeats what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProblem {
    /// Which file.
    pub part: TlsPart,
    /// Its path.
    pub path: PathBuf,
    /// What is wrong, and what would be right: goes behind the path.
    pub what: String,
}

// === impl TlsSettings ===

impl TlsSettings {
    /// The files as they are now.
    pub fn stamps(&self) -> Stamps {
        Stamps::of(self.files())
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let certificates = self
            .certificates
            .iter()
            .flat_map(|files| [Some(&files.cert), Some(&files.key), files.key_password.as_ref()].into_iter().flatten());
        certificates.chain(self.client_auth.authorities()).map(PathBuf::as_path)
    }
}

// === impl ClientAuth ===

impl ClientAuth {
    /// The file with those who may have signed clients' certificates.
    pub fn authorities(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Optional(path) | Self::Required(path) => Some(path),
        }
    }
}

// === impl TlsProblem ===

impl TlsProblem {
    pub(super) fn new(part: TlsPart, path: &Path, what: impl fmt::Display) -> Self {
        Self { part, path: path.to_owned(), what: what.to_string() }
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for TlsProblem {}
