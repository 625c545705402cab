//! What is in a listener's files, all of it checked: with this, handshakes can be made.

use super::{
    certificate::{Facts, Validity, fingerprint, unix},
    files::{self, KeyError},
    names::Certificates,
    settings::{CertificateFiles, ClientAuth, TlsPart, TlsProblem, TlsSettings, TlsVersion},
    stamps::Stamps,
};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use std::{fmt, path::PathBuf, sync::Arc, time::SystemTime};

/// The protocols inside (RFC 7301). A client that offers others alone is told so by its alert.
const HTTP1: &[u8] = b"http/1.1";
pub(super) const HTTP2: &[u8] = b"h2";

/// With so many seconds left a certificate is about to expire.
const SOON: u64 = 14 * 24 * 3600;

/// The TLS of a listener: settings, and what its files had in them. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Material>);

struct Material {
    settings: TlsSettings,
    /// The files, when they were read.
    stamps: Stamps,
    certificates: Vec<TlsCertificate>,
    /// The fingerprints of those who sign clients' certificates.
    authorities: Vec<String>,
    warnings: Vec<String>,
    config: Arc<ServerConfig>,
}

/// A certificate that clients are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCertificate {
    /// What people call it: its first name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    fingerprint: String,
    /// That of the certificate and those behind it in the file.
    validity: Validity,
}

// === impl Tls ===

impl Tls {
    /// Reads and checks every file; whether the certificates are valid now is another question ([`Tls::untimely`]). Waits for the
    /// file system, and for the derivation of keys from passwords.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn load(settings: TlsSettings) -> Result<Self, Vec<TlsProblem>> {
        // Before they are read: whoever changes them meanwhile is noticed later.
        let stamps = settings.stamps();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut problems = Vec::new();
        let (mut loaded, mut facts, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (index, files) in settings.certificates.iter().enumerate() {
            match certificate(index, files, &provider) {
                Ok((key, names, certificate)) => {
                    loaded.push((key, names));
                    facts.push(certificate);
                }
                Err(mut wrong) => problems.append(&mut wrong),
            }
            for path in [Some(&files.key), files.key_password.as_ref()].into_iter().flatten() {
                if files::is_for_everybody(path) {
                    let path = path.display();
                    warnings.push(format!("{path}: everybody on this machine can read or write it: chmod 600 {path}"));
                }
            }
        }
        let authorities = match authorities(&settings.client_auth) {
            Ok(authorities) => authorities,
            Err(problem) => {
                problems.push(problem);
                Vec::new()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let fingerprints = authorities.iter().map(fingerprint).collect();
        let config = config(&settings, provider, Certificates::new(loaded), authorities)?;
        let material = Material {
            settings,
            stamps,
            certificates: facts,
            authorities: fingerprints,
            warnings,
            config: Arc::new(config),
        };
        Ok(Self(Arc::new(material)))
    }

    /// Reads the files again.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn again(&self) -> Result<Self, Vec<TlsProblem>> {
        Self::load(self.0.settings.clone())
    }

    /// What it was loaded from.
    pub fn settings(&self) -> &TlsSettings {
        &self.0.settings
    }

    /// The files as they were when they were read.
    pub fn stamps(&self) -> &Stamps {
        &self.0.stamps
    }

    /// The certificates that clients are shown.
    pub fn certificates(&self) -> &[TlsCertificate] {
        &self.0.certificates
    }

    /// What is not as it should be, and does no harm to connections.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// The certificates that are not valid at a time, but for those that `known` has, too: what is served already does not get
    /// worse.
    pub fn untimely(&self, now: SystemTime, known: Option<&Self>) -> Vec<TlsProblem> {
        let known = |certificate: &TlsCertificate| {
            let same = |other: &TlsCertificate| other.fingerprint == certificate.fingerprint;
            known.is_some_and(|known| known.certificates().iter().any(same))
        };
        let problem = |(index, certificate): (usize, &TlsCertificate)| {
            let what = certificate.problem(now).filter(|_| !known(certificate))?;
            Some(TlsProblem::new(
                TlsPart::Cert(index),
                &certificate.path,
                format!("the certificate of {}: {what}", certificate.name),
            ))
        };
        self.0.certificates.iter().enumerate().filter_map(problem).collect()
    }

    /// Whether this is that one, and no other of the same settings.
    pub(super) fn is(&self, that: &Self) -> bool {
        Arc::ptr_eq(&self.0, &that.0)
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.clone()
    }

    /// With the session tickets of another one where clients are let in by the same rules: a client that resumes is not asked
    /// for its certificate again.
    #[must_use]
    pub(super) fn resuming(self, before: &Self) -> Self {
        let same = |a: &Material, b: &Material| {
            std::mem::discriminant(&a.settings.client_auth) == std::mem::discriminant(&b.settings.client_auth)
                && a.authorities == b.authorities
        };
        if !same(&self.0, &before.0) {
            return self;
        }
        let mut config = ServerConfig::clone(&self.0.config);
        config.ticketer = before.0.config.ticketer.clone();
        let Material { settings, stamps, certificates, authorities, warnings, .. } = &*self.0;
        Self(Arc::new(Material {
            settings: settings.clone(),
            stamps: stamps.clone(),
            certificates: certificates.clone(),
            authorities: authorities.clone(),
            warnings: warnings.clone(),
            config: Arc::new(config),
        }))
    }
}

impl PartialEq for Tls {
    /// Whether both are of the same settings, whatever was in the files.
    fn eq(&self, other: &Self) -> bool {
        self.0.settings == other.0.settings
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest has keys in it.
        f.debug_struct("Tls").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

// === impl TlsCertificate ===

impl TlsCertificate {
    /// When it, or one that it depends on, expires, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.validity.to
    }

    /// Why it is not valid at a time, if it is not.
    pub fn problem(&self, now: SystemTime) -> Option<String> {
        self.validity.problem(now)
    }

    /// Whether it expires within 14 days, or is in the last third of a short life.
    pub fn is_about_to_expire(&self, now: SystemTime) -> bool {
        let Validity { from, to } = self.validity;
        self.seconds_left(now) < SOON.min(to.saturating_sub(from) / 3)
    }

    /// How many seconds it is still valid.
    pub fn seconds_left(&self, now: SystemTime) -> u64 {
        self.validity.to.saturating_sub(unix(now))
    }
}

/// One certificate with its key, and the hosts that it is for.
fn certificate(
    index: usize,
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Vec<String>, TlsCertificate), Vec<TlsProblem>> {
    let chain = files::read(&files.cert).and_then(|pem| {
        let chain = files::certificates(&pem)?;
        let facts = chain.iter().map(Facts::read).collect::<Option<Vec<_>>>();
        Ok((chain, facts.ok_or("a certificate in it cannot be read: it is damaged, or not X.509")?))
    });
    let key = files::key(&files.key, files.key_password.as_deref());
    let (chain, facts, key) = match (chain, key) {
        (Ok((chain, facts)), Ok(key)) => (chain, facts, key),
        (chain, key) => {
            let chain = chain.err().map(|what| TlsProblem::new(TlsPart::Cert(index), &files.cert, what));
            let key = key.err().map(|error| match (&error, &files.key_password) {
                (KeyError::WrongPassword | KeyError::Password(_), Some(path)) => {
                    TlsProblem::new(TlsPart::KeyPassword(index), path, error)
                }
                _ => TlsProblem::new(TlsPart::Key(index), &files.key, error),
            });
            return Err(chain.into_iter().chain(key).collect());
        }
    };
    let wrong_key = |what: String| vec![TlsProblem::new(TlsPart::Key(index), &files.key, what)];
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        wrong_key("the private key in it cannot be used; expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519".to_owned())
    })?;
    let matches = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], key.clone()).keys_match().is_ok()
    };
    match chain.iter().position(matches) {
        Some(0) => {}
        Some(other) => {
            let what = format!("the certificate of the key is the {}. in it; it has to be the first", other + 1);
            return Err(vec![TlsProblem::new(TlsPart::Cert(index), &files.cert, what)]);
        }
        None => {
            return Err(wrong_key(format!(
                "the private key in it is not that of the certificate in {}",
                files.cert.display()
            )));
        }
    }
    let first = &facts[0];
    let validity = facts.iter().map(|facts| facts.validity).fold(first.validity, Validity::and);
    let certificate = TlsCertificate {
        name: first.name(),
        path: files.cert.clone(),
        fingerprint: first.fingerprint.clone(),
        validity,
    };
    let names = first.hosts().collect();
    Ok((CertifiedKey::new(chain, key), names, certificate))
}

/// Those who may have signed clients' certificates.
fn authorities(auth: &ClientAuth) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let Some(path) = auth.authorities() else { return Ok(Vec::new()) };
    let read = files::read(path).and_then(|pem| files::certificates(&pem));
    read.map_err(|what| TlsProblem::new(TlsPart::ClientCa, path, what))
}

fn config(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
    certificates: Certificates,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<ServerConfig, Vec<TlsProblem>> {
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        TlsVersion::V12 => &[&TLS13, &TLS12],
        TlsVersion::V13 => &[&TLS13],
    };
    let verifier = verifier(&settings.client_auth, &provider, authorities).map_err(|problem| vec![problem])?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has suites for both versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    // Most wanted first.
    let spoken = if settings.http2 { &[HTTP2, HTTP1][..] } else { &[HTTP1] };
    config.alpn_protocols = spoken.iter().map(|name| name.to_vec()).collect();
    // Sessions are resumed by tickets, whose keys rotate every six hours: nothing is kept for a client that may never come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|_| {
        let files = &settings.certificates[0];
        vec![TlsProblem::new(TlsPart::Key(0), &files.key, "the system has no random numbers for session tickets")]
    })?;
    Ok(config)
}

fn verifier(
    auth: &ClientAuth,
    provider: &Arc<CryptoProvider>,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsProblem> {
    let (path, required) = match auth {
        ClientAuth::None => return Ok(Arc::new(NoClientAuth)),
        ClientAuth::Optional(path) => (path, false),
        ClientAuth::Required(path) => (path, true),
    };
    let mut roots = RootCertStore::empty();
    for (index, authority) in authorities.into_iter().enumerate() {
        roots.add(authority).map_err(|_| {
            TlsProblem::new(
                TlsPart::ClientCa,
                path,
                format!("the {}. certificate in it cannot be used: it is damaged, or not X.509", index + 1),
            )
        })?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if !required {
        verifier = verifier.allow_unauthenticated();
    }
    let built = verifier.build().map(|verifier| verifier as Arc<dyn ClientCertVerifier>);
    built.map_err(|error| TlsProblem::new(TlsPart::ClientCa, path, error))
}
