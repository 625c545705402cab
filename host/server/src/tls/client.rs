//! What a TLS session tells of its client, for plugins and for the log.

use super::{
    certificate::{Facts, fingerprint},
    material::HTTP2,
};
use rustls::{CommonState, ProtocolVersion};

/// A client's certificate, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The SHA-256 of all of it, in 64 hexadecimal digits in lower case.
    pub fingerprint: String,
    /// Whose it is, as in RFC 4514. None where the certificate is written in a way that cannot be read without doubt.
    pub subject: Option<String>,
    /// Its alternative names, such as `DNS:ada.example` and `URI:spiffe://example/ada`.
    pub names: Vec<String>,
}

/// What is known of a session.
#[derive(Clone, Debug)]
pub(crate) struct Secured {
    /// `1.2` or `1.3`.
    pub(crate) version: &'static str,
    /// Whether HTTP/2 was agreed on (ALPN).
    pub(crate) http2: bool,
    /// The host that the client asked for.
    server_name: Option<Box<str>>,
    /// The certificate that it showed, verified.
    client: Option<Client>,
}

#[derive(Clone, Debug)]
struct Client {
    fingerprint: String,
    /// None where the certificate is written in a way that cannot be read without doubt.
    facts: Option<Facts>,
}

// === impl ClientCertificate ===

impl ClientCertificate {
    /// What the certificate says that a client has shown in a session.
    pub(super) fn of(session: &CommonState) -> Option<Self> {
        let Client { fingerprint, facts } = Client::of(session)?;
        let names = facts.iter().flat_map(|facts| &facts.names).map(ToString::to_string).collect();
        Some(Self { fingerprint, subject: facts.map(|facts| facts.subject), names })
    }
}

// === impl Client ===

impl Client {
    fn of(session: &CommonState) -> Option<Self> {
        let der = session.peer_certificates()?.first()?;
        Some(Self { fingerprint: fingerprint(der), facts: Facts::read(der) })
    }
}

// === impl Secured ===

impl Secured {
    /// What a session tells whose handshake is done.
    pub(super) fn of(session: &CommonState, server_name: Option<Box<str>>) -> Self {
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let client = Client::of(session);
        let http2 = session.alpn_protocol() == Some(HTTP2);
        Self { version, http2, server_name, client }
    }

    /// Whose certificate the client has shown.
    pub(crate) fn subject(&self) -> Option<&str> {
        Some(&self.client.as_ref()?.facts.as_ref()?.subject)
    }

    /// The attributes of a request: `tls.version`, and so on.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let client = self.client.as_ref();
        let facts = client.and_then(|client| client.facts.as_ref());
        let names = facts
            .filter(|facts| !facts.names.is_empty())
            .map(|facts| facts.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        [
            ("tls.version", Some(self.version.to_owned())),
            ("tls.server-name", self.server_name.as_deref().map(str::to_owned)),
            ("tls.client.subject", facts.map(|facts| facts.subject.clone())),
            ("tls.client.issuer", facts.map(|facts| facts.issuer.clone())),
            ("tls.client.sans", names),
            ("tls.client.fingerprint", client.map(|client| client.fingerprint.clone())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}
