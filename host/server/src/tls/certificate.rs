//! What a certificate says: whose it is, and for how long.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::{
    fmt::{self, Write},
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use x509_cert::{
    Certificate,
    der::{DateTime, Decode},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// What is read of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whose it is, and who signed it: names as in RFC 4514.
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) names: Vec<AltName>,
    pub(super) validity: Validity,
    /// The SHA-256 of all of it, in hexadecimal digits.
    pub(super) fingerprint: String,
}

/// A subject alternative name. Other kinds are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AltName {
    Dns(String),
    Ip(IpAddr),
    Email(String),
    Uri(String),
}

/// From when to when something is valid, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: u64,
    pub(super) to: u64,
}

// === impl Facts ===

impl Facts {
    /// Reads a certificate. None when it is none.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?.tbs_certificate;
        let names = match certificate.get::<SubjectAltName>() {
            Ok(None) => Vec::new(),
            Ok(Some((_, names))) => names.0.iter().filter_map(AltName::read).collect(),
            Err(_) => return None,
        };
        let time = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let validity = certificate.validity;
        Some(Self {
            subject: certificate.subject.to_string(),
            issuer: certificate.issuer.to_string(),
            names,
            validity: Validity { from: time(validity.not_before), to: time(validity.not_after) },
            fingerprint: fingerprint(der),
        })
    }

    /// The names of hosts, in lower case.
    pub(super) fn hosts(&self) -> impl Iterator<Item = String> {
        self.names.iter().filter_map(|name| match name {
            AltName::Dns(host) => Some(host.to_ascii_lowercase()),
            _ => None,
        })
    }

    /// What people call it: its first name, or whose it is.
    pub(super) fn name(&self) -> String {
        match self.names.first() {
            Some(AltName::Ip(ip)) => ip.to_string(),
            Some(AltName::Dns(name) | AltName::Email(name) | AltName::Uri(name)) => name.clone(),
            None => self.subject.clone(),
        }
    }
}

/// The SHA-256 of a certificate, in hexadecimal digits.
pub(super) fn fingerprint(der: &CertificateDer<'_>) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(der) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

// === impl AltName ===

impl AltName {
    fn read(name: &GeneralName) -> Option<Self> {
        Some(match name {
            GeneralName::DnsName(name) => Self::Dns(name.to_string()),
            GeneralName::Rfc822Name(name) => Self::Email(name.to_string()),
            GeneralName::UniformResourceIdentifier(name) => Self::Uri(name.to_string()),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
                Self::Ip(v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()?)
            }
            _ => return None,
        })
    }
}

impl fmt::Display for AltName {
    /// `DNS:a.example`: without a space, whatever the name is, so that a list of them can be taken apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Ip(ip) => return write!(f, "IP:{ip}"),
            Self::Dns(name) => ("DNS", name),
            Self::Email(name) => ("email", name),
            Self::Uri(name) => ("URI", name),
        };
        write!(f, "{kind}:")?;
        for byte in name.bytes() {
            match byte {
                b'!'..=b'~' => f.write_char(byte.into())?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

// === impl Validity ===

impl Validity {
    /// When both are valid.
    pub(super) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// What is wrong at a time.
    pub(super) fn problem(self, now: SystemTime) -> Option<String> {
        let now = unix(now);
        if now > self.to {
            return Some(format!("it has expired on {}", date(self.to)));
        }
        (now < self.from).then(|| format!("it is not valid before {}", date(self.from)))
    }
}

/// Unix seconds.
pub(super) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time for people: `2026-11-23T17:00:00Z`.
pub(super) fn date(seconds: u64) -> String {
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_or_else(|_| seconds.to_string(), |date| date.to_string())
}
