//! Which web pages may connect, by the Origin field: RFC 6455 sections 4.2.2 and 10.2, RFC 6454.

use super::authority::split;
use std::{fmt, str::FromStr};

/// The web pages that may connect. A request without an Origin field comes from no web page, and is always allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the scheme, host and port that the request itself is for. Behind a proxy that ends TLS the schemes
    /// differ: list the origins there.
    #[default]
    SameOrigin,
    /// Every page, and those without an origin of their own (`null`).
    Any,
    /// Pages whose origin fits one of these.
    List(Vec<OriginPattern>),
}

/// An origin, or all those below a domain: `https://app.example`, `https://*.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    origin: Origin,
    /// Any host that ends in a dot and the origin's host, instead of that host itself.
    below: bool,
}

/// Not an origin that can be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is not an origin: {hint}")]
pub struct InvalidOrigin {
    entry: String,
    hint: &'static str,
}

/// Scheme and host in lower case; no port where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

// === impl Origins ===

impl Origins {
    /// Pages of the listed origins.
    ///
    /// # Errors
    ///
    /// For the first entry that is not an [`OriginPattern`].
    pub fn list<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, InvalidOrigin> {
        entries.into_iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>().map(Self::List)
    }

    /// Whether a page may send this request: its Origin field, the host and port that it names, and whether it came
    /// over TLS.
    pub(crate) fn allows(&self, origin: Option<&str>, authority: &str, secure: bool) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Self::Any => true,
            Self::SameOrigin => {
                let scheme = if secure { "https" } else { "http" };
                let own = split(authority).map(|(host, port)| Origin::new(scheme, host, port));
                own.is_some() && Origin::parse(origin) == own
            }
            Self::List(patterns) => {
                Origin::parse(origin).is_some_and(|origin| patterns.iter().any(|pattern| pattern.fits(&origin)))
            }
        }
    }
}

// === impl OriginPattern ===

impl OriginPattern {
    fn fits(&self, origin: &Origin) -> bool {
        if !self.below {
            return self.origin == *origin;
        }
        let label = origin.host.strip_suffix(&self.origin.host).and_then(|rest| rest.strip_suffix('.'));
        origin.scheme == self.origin.scheme
            && origin.port == self.origin.port
            && label.is_some_and(|label| !label.is_empty())
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(entry: &str) -> Result<Self, InvalidOrigin> {
        let invalid = |hint| InvalidOrigin { entry: entry.to_owned(), hint };
        if entry == "*" || entry == "null" {
            return Err(invalid("where every page may connect, allow any origin instead of a list"));
        }
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err(invalid("it starts with a scheme, such as https://app.example"));
        };
        if !rest.is_ascii() {
            return Err(invalid("browsers send such a host as xn--…, write it that way"));
        }
        if rest.contains(['/', '?', '#']) {
            return Err(invalid("it ends with the host or port, without a slash: https://app.example"));
        }
        if rest.contains('@') {
            return Err(invalid("it has no user, only a host: https://app.example"));
        }
        let (below, authority) = match rest.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, rest),
        };
        if authority.contains('*') {
            return Err(invalid("the only wildcard is a whole first label: https://*.example.com"));
        }
        match Origin::parse(&format!("{scheme}://{authority}")) {
            Some(origin) => Ok(Self { origin, below }),
            None => {
                Err(invalid("write scheme, host and, where it is not the scheme's own, port: https://app.example:8443"))
            }
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = &self.origin;
        write!(f, "{scheme}://{}{host}", if self.below { "*." } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

// === impl Origin ===

impl Origin {
    fn new(scheme: &str, host: &str, port: Option<u16>) -> Self {
        let scheme = scheme.to_ascii_lowercase();
        let own = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Self { scheme, host: host.to_ascii_lowercase(), port: port.filter(|port| Some(*port) != own) }
    }

    /// RFC 6454, section 6.1: `scheme://host` or `scheme://host:port`; nothing else, and not `null`.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let mut bytes = scheme.bytes();
        let valid = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (host, port) = split(authority).filter(|_| valid)?;
        Some(Self::new(scheme, host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_origin() {
        for (origin, authority, secure, expected) in [
            ("http://example.com", "example.com", false, true),
            ("http://example.com", "example.com:80", false, true),
            ("http://example.com:80", "example.com", false, true),
            ("https://example.com", "example.com:443", true, true),
            ("http://localhost:8080", "localhost:8080", false, true),
            ("HTTP://Example.COM", "eXample.com", false, true),
            ("http://[::1]:8080", "[::1]:8080", false, true),
            ("https://example.com", "example.com", false, false),
            ("http://example.com", "example.com", true, false),
            ("http://example.com", "example.com:443", true, false),
            ("http://example.com:8080", "example.com", false, false),
            ("http://example.com:8080", "example.com:8081", false, false),
            ("http://example.com.evil.example", "example.com", false, false),
            ("http://evil.example", "example.com", false, false),
            ("http://sub.example.com", "example.com", false, false),
            ("http://user@example.com", "example.com", false, false),
            ("http://example.com/", "example.com", false, false),
            ("http://example.com http://evil.example", "example.com", false, false),
            ("example.com", "example.com", false, false),
            ("://example.com", "example.com", false, false),
            ("null", "example.com", false, false),
            ("null", "null", false, false),
            ("", "", false, false),
            ("http://", "", false, false),
        ] {
            let allowed = Origins::SameOrigin.allows(Some(origin), authority, secure);
            assert_eq!(allowed, expected, "{origin:?} {authority:?} {secure}");
        }
    }

    #[test]
    fn a_list() {
        let origins = Origins::list([
            "https://app.example",
            "http://local.example:8080",
            "https://*.wild.example",
            "https://*.Port.example:8443",
            "https://secure.example:443",
            "chrome-extension://abcdef",
        ])
        .unwrap();
        for (origin, expected) in [
            ("https://app.example", true),
            ("https://APP.example:443", true),
            ("http://app.example", false),
            ("https://app.example:8443", false),
            ("https://x.app.example", false),
            ("http://local.example:8080", true),
            ("http://local.example", false),
            ("https://a.wild.example", true),
            ("https://a.b.wild.example", true),
            ("https://wild.example", false),
            ("https://.wild.example", false),
            ("https://evilwild.example", false),
            ("https://a.wild.example.evil", false),
            ("https://a.wild.example:8443", false),
            ("http://a.wild.example", false),
            ("https://a.port.example:8443", true),
            ("https://a.port.example", false),
            ("https://secure.example", true),
            ("chrome-extension://abcdef", true),
            ("chrome-extension://abcdefg", false),
            ("null", false),
            ("http://server.example", false),
        ] {
            assert_eq!(origins.allows(Some(origin), "server.example", false), expected, "{origin:?}");
        }
        assert!(!Origins::List(vec![]).allows(Some("https://app.example"), "app.example", true));
    }

    #[test]
    fn no_origin_is_no_web_page() {
        for origins in [Origins::SameOrigin, Origins::Any, Origins::List(vec![])] {
            assert!(origins.allows(None, "example.com", false));
        }
        for origin in ["null", "nonsense", "https://evil.example"] {
            assert!(Origins::Any.allows(Some(origin), "example.com", false));
        }
    }

    #[test]
    fn what_is_wrong_with_an_entry() {
        for (entry, hint) in [
            ("*", "allow any origin"),
            ("null", "allow any origin"),
            ("app.example", "starts with a scheme"),
            ("https:app.example", "starts with a scheme"),
            ("https://app.example/", "without a slash"),
            ("https://app.example/path", "without a slash"),
            ("https://app.example?x", "without a slash"),
            ("https://user@app.example", "no user"),
            ("https://bücher.example", "xn--"),
            ("https://*", "wildcard"),
            ("https://a.*.example", "wildcard"),
            ("https://*app.example", "wildcard"),
            ("https://*.*.example", "wildcard"),
            ("https://", "write scheme, host"),
            ("https://*.", "write scheme, host"),
            ("https://app.example:99999", "write scheme, host"),
            ("1http://app.example", "write scheme, host"),
            ("://app.example", "write scheme, host"),
            ("", "starts with a scheme"),
        ] {
            let error = entry.parse::<OriginPattern>().expect_err(entry).to_string();
            assert!(error.contains(hint) && error.contains(&format!("{entry:?}")), "{entry:?}: {error}");
        }
        assert!(Origins::list(["https://ok.example", "bad"]).is_err());
    }

    #[test]
    fn patterns_print_as_they_compare() {
        for (entry, printed) in [
            ("HTTPS://App.Example:443", "https://app.example"),
            ("https://*.example:8443", "https://*.example:8443"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(entry.parse::<OriginPattern>().unwrap().to_string(), printed);
        }
    }
}
