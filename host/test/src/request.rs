//! What a peer asks for, and what it hears when the answer is no.

use socklet_core::{ConnectionId, Field, Principal, Response, UpgradeRequest};
use std::{fmt, net::IpAddr};

/// The request of a peer. Only the path has to be named.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) captures: Vec<(String, String)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) client_ip: IpAddr,
    pub(crate) client_port: u16,
    pub(crate) secure: bool,
    pub(crate) principal: Option<Principal>,
}

/// The answer to a request that did not become a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The header fields, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

// === impl Request ===

impl Request {
    /// Of a path as the plugin sees it, which is percent-decoded; behind a question mark a query, which is not.
    pub fn to(target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            path: path.to_owned(),
            query,
            headers: vec![],
            captures: vec![],
            subprotocols: vec![],
            client_ip: [127, 0, 0, 1].into(),
            client_port: 49_152,
            secure: false,
            principal: None,
        }
    }

    /// With a query, without its question mark.
    pub fn query(mut self, query: &str) -> Self {
        self.query = Some(query.to_owned());
        self
    }

    /// With one more header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.to_owned()));
        self
    }

    /// With what the route's path pattern would have captured: a test has no routing.
    pub fn capture(mut self, name: &str, value: &str) -> Self {
        self.captures.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers one more subprotocol.
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.to_owned());
        self
    }

    /// From this address and port.
    pub fn client(mut self, ip: IpAddr, port: u16) -> Self {
        (self.client_ip, self.client_port) = (ip, port);
        self
    }

    /// As if it had come over TLS.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// As if an authenticator had let it in as this principal. Not on routes that have authenticators.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    pub(crate) fn into_upgrade(self, connection: ConnectionId) -> UpgradeRequest {
        let field = |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned() };
        let mut headers = vec![
            field("host", HOST),
            field("connection", "Upgrade"),
            field("upgrade", "websocket"),
            field("sec-websocket-version", "13"),
            // The key of RFC 6455, section 1.3.
            field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        if !self.subprotocols.is_empty() {
            headers.push(field("sec-websocket-protocol", &self.subprotocols.join(", ")));
        }
        for (name, value) in &self.headers {
            // Those of one name stand together.
            let at = headers.iter().rposition(|known| known.name == *name).map_or(headers.len(), |at| at + 1);
            headers.insert(at, field(name, value));
        }
        let attributes = [("tenant", TENANT), ("route", ROUTE), ("http.version", "1.1"), ("local.address", LOCAL)];
        UpgradeRequest {
            connection,
            listener: "test".to_owned(),
            method: "GET".to_owned(),
            secure: self.secure,
            authority: HOST.to_owned(),
            path: self.path,
            query: self.query,
            headers,
            captures: self.captures,
            client_ip: Some(self.client_ip),
            client_port: self.client_port,
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            trace: None,
        }
    }
}

/// What every route of a test is called, and whose it is.
pub(crate) const ROUTE: &str = "test";
pub(crate) const TENANT: &str = "test";
const HOST: &str = "localhost";
const LOCAL: &str = "127.0.0.1:80";

impl fmt::Debug for Request {
    // Header fields and query carry credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("path", &self.path).finish_non_exhaustive()
    }
}

// === impl Refused ===

impl Refused {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![], body: body.into() }
    }

    /// The first value of a header field, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        let headers = response.headers.into_iter().map(|field| (field.name, field.value)).collect();
        Self { status: response.status, headers, body: response.body.into() }
    }
}
