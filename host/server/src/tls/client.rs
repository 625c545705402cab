//! What a TLS session tells of its client, for plugins and for the log.

use super::{
    certificate::{Facts, fingerprint},
    material::HTTP2,
};
use rustls::{CommonState, ProtocolVersion};

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

// === impl Secured ===

impl Secured {
    /// What a session tells whose handshake is done.
    pub(super) fn of(session: &CommonState, server_name: Option<Box<str>>) -> Self {
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let client = certificate.map(|der| Client { fingerprint: fingerprint(der), facts: Facts::read(der) });
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
