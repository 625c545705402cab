//! From an HTTP request's head to the record that plugins see.

use crate::{Route, listener::Origin, tls::Secured};
use http::{HeaderMap, Method, Version, request::Parts};
use socklet_core::{ConnectionId, Field, UpgradeRequest};

/// The record of a request that asks for a WebSocket.
pub(crate) fn upgrade_request(
    parts: &Parts,
    connection: ConnectionId,
    origin: &Origin,
    route: &Route,
    authority: &str,
    path: String,
    captures: Vec<(String, String)>,
) -> UpgradeRequest {
    let mut attributes = vec![
        ("tenant".to_owned(), route.tenant().to_string()),
        ("route".to_owned(), route.config.name.to_string()),
        ("http.version".to_owned(), version(parts.version).to_owned()),
    ];
    attributes.push(("local.address".to_owned(), origin.local.clone()));
    attributes.extend(origin.via.proxy().map(|proxy| ("proxy.address".to_owned(), proxy.to_owned())));
    attributes.extend(origin.tls.iter().flat_map(Secured::attributes));
    UpgradeRequest {
        connection,
        listener: origin.gate.name().to_string(),
        // An extended CONNECT (RFC 8441) asks what a GET does.
        method: Method::GET.to_string(),
        secure: origin.is_secure(),
        authority: authority.to_owned(),
        path,
        query: parts.uri.query().map(str::to_owned),
        headers: fields(&parts.headers),
        captures,
        client_ip: origin.client.map(|client| client.ip()),
        client_port: origin.client.map_or(0, |client| client.port()),
        attributes,
        trace: None,
    }
}

fn fields(headers: &HeaderMap) -> Vec<Field> {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| Field {
        name: name.as_str().to_owned(),
        value: match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => value.to_owned(),
            // ISO 8859-1: each byte is the character of that number, so nothing is lost.
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
        },
    };
    headers.iter().map(field).collect()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
