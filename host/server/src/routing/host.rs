//! The hosts that a route serves.

use std::{borrow::Cow, fmt, net::Ipv6Addr, str::FromStr};

/// A host (`example.com`, `10.0.0.1`, `[::1]`), or all those below a domain: `*.example.com`, which is one or more
/// labels and a dot before it. Upper and lower case are the same. Hosts have no port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    pub(super) host: String,
    pub(super) below: bool,
}

/// Not a host that a route can serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a host: {hint}")]
pub struct InvalidHost {
    pattern: String,
    hint: &'static str,
}

/// The longest host: a domain name has at most 253 bytes (RFC 1035, section 2.3.4).
pub(super) const MAX_HOST: usize = 253;

/// A host as it is compared: in lower case, without the dot of the root.
pub(super) fn normalize(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(pattern: &str) -> Result<Self, InvalidHost> {
        let invalid = |hint| Err(InvalidHost { pattern: pattern.to_owned(), hint });
        if pattern == "*" {
            return invalid("leave the hosts out to serve all of them");
        }
        if pattern.contains("://") || pattern.contains('/') {
            return invalid("write the host alone, such as example.com");
        }
        if !pattern.is_ascii() {
            return invalid("clients send such a host as xn--…, write it that way");
        }
        let (host, below) = match pattern.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (pattern, false),
        };
        if host.contains('*') {
            return invalid("the only wildcard is a whole first label: *.example.com");
        }
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
            && !below
            && address.parse::<Ipv6Addr>().is_ok()
        {
            return Ok(Self { host: normalize(host).into_owned(), below });
        }
        if host.parse::<Ipv6Addr>().is_ok() {
            return invalid("write an IPv6 address in brackets: [::1]");
        }
        if host.contains(':') {
            return invalid("write the host without its port: a route serves all ports of its listeners");
        }
        let host = normalize(host);
        let label = |label: &str| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            matches!(label.len(), 1..=63) && label.bytes().all(valid)
        };
        if host.len() > MAX_HOST || !host.split('.').all(label) {
            return invalid("use letters, digits and hyphens, with dots between, such as example.com or *.example.com");
        }
        Ok(Self { host: host.into_owned(), below })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, printed) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("my_service-1", "my_service-1"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "[::1]"),
            ("[FE80::1]", "[fe80::1]"),
        ] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_wrong_with_a_host() {
        let long = "a.".repeat(128);
        let label = "a".repeat(64);
        for (text, hint) in [
            ("*", "leave the hosts out"),
            ("https://example.com", "the host alone"),
            ("example.com/x", "the host alone"),
            ("bücher.example", "xn--"),
            ("a.*.example", "wildcard"),
            ("*example.com", "wildcard"),
            ("*.*.example", "wildcard"),
            ("::1", "brackets"),
            ("example.com:80", "without its port"),
            ("[::1]:80", "without its port"),
            ("*.[::1]", "without its port"),
            ("", "letters"),
            (".", "letters"),
            ("a..b", "letters"),
            ("*.", "letters"),
            ("a b", "letters"),
            ("user@example.com", "letters"),
            (&long, "letters"),
            (&label, "letters"),
        ] {
            let error = text.parse::<HostPattern>().expect_err(text).to_string();
            assert!(error.contains(hint) && error.contains(&format!("{text:?}")), "{text:?}: {error}");
        }
    }
}
