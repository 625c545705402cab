//! Reading a [`Request`].

use crate::{Connection, Request, query};

// === impl Request ===

impl Request {
    /// The connection that this request becomes when it is accepted.
    pub fn connection(&self) -> Connection {
        Connection::from_id(self.connection)
    }

    /// The first header field of this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// What the route's path pattern captured under this name.
    pub fn capture(&self, name: &str) -> Option<&str> {
        find(&self.captures, name)
    }

    /// What else the host knows: `tenant`, `route`, `tls.version` and more.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find(&self.attributes, name)
    }

    /// The first value of this name in the query, decoded; empty for a name without an equals sign.
    pub fn query_value(&self, name: &str) -> Option<String> {
        query::value(self.query.as_deref()?, name)
    }

    /// The subprotocols that the client offered, in its order.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(|field| field.name == "sec-websocket-protocol")
            .flat_map(|field| field.value.split(','))
            .map(str::trim)
            .filter(|offered| !offered.is_empty())
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    fn request() -> Request {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        Request {
            connection: 7,
            listener: "main".into(),
            method: "GET".into(),
            secure: false,
            authority: "localhost".into(),
            path: "/rooms/a b".into(),
            query: Some("name=J%C3%B6rg+M&x".into()),
            headers: vec![
                field("sec-websocket-protocol", "a, b"),
                field("host", "localhost"),
                field("sec-websocket-protocol", ",c"),
            ],
            captures: vec![("room".into(), "a b".into())],
            client_ip: "127.0.0.1".into(),
            client_port: 1,
            attributes: vec![("tenant".into(), "t".into())],
        }
    }

    #[test]
    fn finds_what_was_asked() {
        let request = request();
        assert_eq!(request.header("host"), Some("localhost"));
        assert_eq!(request.header("cookie"), None);
        assert_eq!(request.capture("room"), Some("a b"));
        assert_eq!(request.attribute("tenant"), Some("t"));
        assert_eq!(request.query_value("name").as_deref(), Some("Jörg M"));
        assert_eq!(request.query_value("x").as_deref(), Some(""));
        assert_eq!(request.query_value("y"), None);
    }

    #[test]
    fn reads_subprotocols_from_every_field() {
        assert_eq!(request().subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
