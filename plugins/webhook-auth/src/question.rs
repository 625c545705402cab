//! What the endpoint is asked.

use crate::settings::Settings;
use serde::Serialize;
use socklet_sdk::Request;
use std::collections::BTreeMap;

/// A request to connect, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Question<'a> {
    tenant: Option<&'a str>,
    route: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    secure: bool,
    client_ip: &'a str,
    captures: BTreeMap<&'a str, &'a str>,
    /// Those that are to be told, each with all its values.
    headers: BTreeMap<&'a str, Vec<&'a str>>,
    attributes: BTreeMap<&'a str, &'a str>,
}

// === impl Question ===

impl<'a> Question<'a> {
    pub(crate) fn new(request: &'a Request, settings: &Settings) -> Self {
        let mut headers = BTreeMap::<_, Vec<_>>::new();
        for field in request.headers.iter().filter(|field| settings.forward_headers.contains(&field.name)) {
            headers.entry(field.name.as_str()).or_default().push(field.value.as_str());
        }
        let pairs =
            |pairs: &'a [(String, String)]| pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self {
            tenant: request.attribute("tenant"),
            route: request.attribute("route"),
            host: &request.authority,
            path: &request.path,
            query: request.query.as_deref().filter(|_| settings.forward_query),
            secure: request.secure,
            client_ip: &request.client_ip,
            captures: pairs(&request.captures),
            headers,
            attributes: pairs(&request.attributes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use socklet_sdk::Field;

    #[test]
    fn tells_what_it_may() {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let request = Request {
            connection: 1,
            listener: "main".into(),
            method: "GET".into(),
            secure: true,
            authority: "chat.example".into(),
            path: "/rooms/a".into(),
            query: Some("t=secret".into()),
            headers: vec![field("cookie", "a=1"), field("cookie", "b=2"), field("x-secret", "s")],
            captures: vec![("room".into(), "a".into())],
            client_ip: "192.0.2.1".into(),
            client_port: 4711,
            attributes: vec![("tenant".into(), "acme".into()), ("route".into(), "rooms".into())],
        };
        let settings = Settings { forward_query: false, ..Settings::default() };
        let told = serde_json::to_value(Question::new(&request, &settings)).unwrap();
        let expected = json!({
            "tenant": "acme", "route": "rooms", "host": "chat.example", "path": "/rooms/a", "secure": true,
            "client_ip": "192.0.2.1", "captures": { "room": "a" }, "headers": { "cookie": ["a=1", "b=2"] },
            "attributes": { "tenant": "acme", "route": "rooms" },
        });
        assert_eq!(told, expected);
    }
}
