//! Where a token may be in a request.

use serde::{Deserialize, Deserializer, de::Error};
use socklet_sdk::Request;

/// The largest token.
const MAX_TOKEN: usize = 8 << 10;

/// One place for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer,
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
    /// A subprotocol that the client offers, behind this prefix: browsers can send nothing else.
    Subprotocol(String),
}

// === impl Source ===

impl Source {
    /// The token that is there, if it can be one.
    pub(crate) fn token(&self, request: &Request) -> Option<String> {
        let token = match self {
            Self::Bearer => bearer(request.header("authorization")?)?.to_owned(),
            Self::Query(name) => request.query_value(name)?,
            Self::Cookie(name) => cookie(request, name)?.to_owned(),
            Self::Subprotocol(prefix) => {
                request.subprotocols().find_map(|offered| offered.strip_prefix(prefix.as_str()))?.to_owned()
            }
        };
        matches!(token.len(), 1..=MAX_TOKEN).then_some(token)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let fields = request.headers.iter().filter(|field| field.name == "cookie");
    let mut pairs = fields.flat_map(|field| field.value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(found, value)| (found == name).then_some(value.trim_matches('"')))
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            None if text == "bearer" => Ok(Self::Bearer),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            Some(("subprotocol", prefix)) if !prefix.is_empty() => Ok(Self::Subprotocol(prefix.to_owned())),
            _ => Err(D::Error::custom(format!(
                "{text:?} is no place: write bearer, query:NAME, cookie:NAME or subprotocol:PREFIX"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_sdk::Field;

    fn request(query: &str, headers: &[(&str, &str)]) -> Request {
        let field = |(name, value): &(&str, &str)| Field { name: (*name).into(), value: (*value).into() };
        Request {
            connection: 1,
            listener: "main".into(),
            method: "GET".into(),
            secure: true,
            authority: "localhost".into(),
            path: "/".into(),
            query: Some(query.into()),
            headers: headers.iter().map(field).collect(),
            captures: vec![],
            client_ip: "192.0.2.1".into(),
            client_port: 4711,
            attributes: vec![],
        }
    }

    #[test]
    fn finds_tokens_where_they_may_be() {
        let headers = [
            ("authorization", "bEARER a.b.c"),
            ("cookie", "x=1; session=\"d.e.f\""),
            ("cookie", "more=2"),
            ("sec-websocket-protocol", "chat, jwt.g.h.i"),
        ];
        let request = request("t=j.k.l&u=", &headers);
        let token = |source: Source| source.token(&request);
        assert_eq!(token(Source::Bearer).as_deref(), Some("a.b.c"));
        assert_eq!(token(Source::Cookie("session".into())).as_deref(), Some("d.e.f"));
        assert_eq!(token(Source::Cookie("more".into())).as_deref(), Some("2"));
        assert_eq!(token(Source::Subprotocol("jwt.".into())).as_deref(), Some("g.h.i"));
        assert_eq!(token(Source::Query("t".into())).as_deref(), Some("j.k.l"));
        for nothing in [Source::Query("u".into()), Source::Query("v".into()), Source::Cookie("sess".into())] {
            assert_eq!(token(nothing), None);
        }
        let other = self::request("", &[("authorization", "Basic eDp5")]);
        assert_eq!(Source::Bearer.token(&other), None);
        let long = "x".repeat(MAX_TOKEN + 1);
        assert_eq!(Source::Query("t".into()).token(&self::request(&format!("t={long}"), &[])), None);
    }
}
