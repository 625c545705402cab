//! Certificates, made when a test runs, and clients that trust them.

use crate::{Stream, within};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::{
    fmt, fs,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is written into a certificate.
#[derive(Clone, Debug)]
#[must_use = "nothing is signed before `issue`"]
pub struct Request<'a> {
    authority: &'a Authority,
    names: Vec<String>,
    uris: Vec<String>,
    subject: Vec<(DnType, String)>,
    valid: Range<SystemTime>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// Whom a client trusts, and what it shows.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

const DAY: Duration = Duration::from_secs(24 * 3600);

// === impl Authority ===

impl Authority {
    /// One with a name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate can be signed"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for hosts and IP addresses, for a year.
    pub fn request(&self, names: &[&str]) -> Request<'_> {
        let now = SystemTime::now();
        Request {
            authority: self,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            uris: Vec::new(),
            subject: Vec::new(),
            valid: now - DAY..now + 365 * DAY,
        }
    }

    /// As [`Authority::request`], signed.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.request(names).issue()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

// === impl Request ===

impl Request<'_> {
    /// Adds a URI.
    pub fn uri(mut self, uri: &str) -> Self {
        self.uris.push(uri.to_owned());
        self
    }

    /// Adds the organization to the subject.
    pub fn organization(mut self, name: &str) -> Self {
        self.subject.push((DnType::OrganizationName, name.to_owned()));
        self
    }

    /// Adds the common name to the subject.
    pub fn common_name(mut self, name: &str) -> Self {
        self.subject.push((DnType::CommonName, name.to_owned()));
        self
    }

    /// Valid for a year, and for so many days from now on.
    pub fn expires_in(mut self, days: u32) -> Self {
        let now = SystemTime::now();
        self.valid = now - 365 * DAY..now + days * DAY;
        self
    }

    /// Valid until so many days before now.
    pub fn expired(mut self, days: u32) -> Self {
        let now = SystemTime::now();
        self.valid = now - (days + 30) * DAY..now - days * DAY;
        self
    }

    /// Valid from so many days from now on.
    pub fn early(mut self, days: u32) -> Self {
        self.valid.start = SystemTime::now() + days * DAY;
        self
    }

    /// Signs it.
    pub fn issue(self) -> Issued {
        let mut params = CertificateParams::new(self.names).expect("tests use valid names");
        let uri = |uri: String| SanType::URI(uri.try_into().expect("tests use ASCII"));
        params.subject_alt_names.extend(self.uris.into_iter().map(uri));
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in self.subject {
            params.distinguished_name.push(kind, DnValue::Utf8String(value));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (self.valid.start.into(), self.valid.end.into());
        let key = KeyPair::generate().expect("a key can be made");
        let cert = params.signed_by(&key, &self.authority.0).expect("a certificate can be signed");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

// === impl Issued ===

impl Issued {
    /// Writes `NAME.pem` and `NAME.key`, each as a whole or not at all, the key for its owner alone.
    pub fn write(&self, folder: &Path, name: &str) {
        replace(folder, &format!("{name}.pem"), &self.cert);
        replace(folder, &format!("{name}.key"), &self.key);
    }
}

/// Replaces a file by another one; only its owner can read it.
pub fn replace(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let new = tempfile::NamedTempFile::new_in(folder).expect("a file can be made");
    fs::write(new.path(), text).expect("a file can be written");
    fs::set_permissions(new.path(), fs::Permissions::from_mode(0o600)).expect("a file has permissions");
    new.persist(folder.join(name)).expect("a file can be moved");
}

// === impl Trust ===

impl Trust {
    /// Trusts whom an authority has signed.
    pub fn new(authority: &Authority) -> Self {
        Self::build(authority, None)
    }

    /// As [`Trust::new`], and shows a certificate.
    pub fn showing(authority: &Authority, own: &Issued) -> Self {
        Self::build(authority, Some(own))
    }

    fn build(authority: &Authority, own: Option<&Issued>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).expect("an authority's certificate is one");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for every version")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.cert.as_bytes()).collect::<Result<_, _>>();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key is PEM");
                builder.with_client_auth_cert(chain.expect("a certificate is PEM"), key).expect("they belong together")
            }
        };
        Self(Arc::new(config))
    }

    /// Makes a handshake with a server of this name.
    ///
    /// # Errors
    ///
    /// When it fails. That a client's certificate is refused is told with the first read, in TLS 1.3.
    pub async fn secure(&self, stream: Box<dyn Stream>, name: &str) -> std::io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(name.to_owned()).expect("tests use valid names");
        let connector = TlsConnector::from(self.0.clone());
        let stream = within("a TLS handshake", connector.connect(name, stream)).await?;
        Ok(Box::new(stream))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}
