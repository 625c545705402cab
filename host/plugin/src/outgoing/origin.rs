//! Origins that HTTP requests may go to.

use http::{Uri, uri::Scheme};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// An origin that requests may go to: `https://auth.example`, `http://127.0.0.1:8081`, `https://*.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowedOrigin {
    secure: bool,
    host: Host,
    port: u16,
}

/// A text is not an origin; it says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOrigin(&'static str);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
    /// Every name that ends in this, which begins with a dot.
    Below(String),
}

/// Where a request goes, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) secure: bool,
    pub(crate) host: DestinationHost,
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DestinationHost {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

// === impl AllowedOrigin ===

impl AllowedOrigin {
    /// Whether requests may go there.
    pub(crate) fn admits(&self, to: &Destination) -> bool {
        let host = match (&self.host, &to.host) {
            (Host::Address(allowed), DestinationHost::Address(address)) => allowed == address,
            (Host::Name(allowed), DestinationHost::Name(name)) => allowed == name,
            (Host::Below(end), DestinationHost::Name(name)) => name.len() > end.len() && name.ends_with(end.as_str()),
            _ => false,
        };
        host && self.secure == to.secure && self.port == to.port
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(InvalidOrigin("it does not begin with http:// or https://"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(InvalidOrigin("it does not begin with http:// or https://"));
        }
        let (rest, below) = rest.strip_prefix("*.").map_or((rest, false), |rest| (rest, true));
        if rest.contains('*') {
            return Err(InvalidOrigin("an asterisk may only stand for what is before the first dot"));
        }
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| InvalidOrigin("not an origin"))?;
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidOrigin("nothing may follow the host and the port"));
        }
        let to = Destination::of(&uri).ok_or(InvalidOrigin("not an origin"))?;
        let host = match (to.host, below) {
            (DestinationHost::Address(address), false) => Host::Address(address),
            (DestinationHost::Name(name), false) => Host::Name(name),
            (DestinationHost::Name(name), true) => Host::Below(format!(".{name}")),
            (DestinationHost::Address(_), true) => return Err(InvalidOrigin("nothing is below an address")),
        };
        Ok(Self { secure: to.secure, host, port: to.port })
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            Host::Address(address) => return write_origin(f, self.secure, &Shown(address), self.port),
            Host::Name(name) => name.clone(),
            Host::Below(end) => format!("*{end}"),
        };
        write_origin(f, self.secure, &host, self.port)
    }
}

// === impl Destination ===

impl Destination {
    /// None where that cannot be told for sure.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let secure = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let (host, port) = (authority.host(), authority.port_u16());
        // A port that is there and no number.
        if port.is_none() && authority.as_str() != host {
            return None;
        }
        let host = match host.strip_prefix('[') {
            Some(host) => DestinationHost::Address(IpAddr::V6(host.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?)),
            None => match host.parse::<IpAddr>() {
                Ok(address) => DestinationHost::Address(address),
                Err(_) if is_name(host) => DestinationHost::Name(host.to_ascii_lowercase()),
                Err(_) => return None,
            },
        };
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        (port != 0).then_some(Self { secure, host, port })
    }

    /// The host as it is in a certificate.
    pub(crate) fn server_name(&self) -> String {
        match &self.host {
            DestinationHost::Address(address) => address.to_string(),
            DestinationHost::Name(name) => name.clone(),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            DestinationHost::Address(address) => write_origin(f, self.secure, &Shown(address), self.port),
            DestinationHost::Name(name) => write_origin(f, self.secure, name, self.port),
        }
    }
}

/// An address as it is in a URL.
struct Shown<'a>(&'a IpAddr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "[{address}]"),
        }
    }
}

fn write_origin(f: &mut fmt::Formatter<'_>, secure: bool, host: &dyn fmt::Display, port: u16) -> fmt::Result {
    match (secure, port) {
        (true, 443) => write!(f, "https://{host}"),
        (true, _) => write!(f, "https://{host}:{port}"),
        (false, 80) => write!(f, "http://{host}"),
        (false, _) => write!(f, "http://{host}:{port}"),
    }
}

/// Letters, digits, `-`, `_` and single dots, none of them at an end.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        matches!(label.len(), 1..=63) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(allowed: &str, uri: &str) -> bool {
        let to = Destination::of(&uri.parse().unwrap());
        to.is_some_and(|to| allowed.parse::<AllowedOrigin>().unwrap().admits(&to))
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for (allowed, uri) in [
            ("https://auth.example", "https://auth.example/a?b"),
            ("https://auth.example:443", "https://AUTH.example"),
            ("http://auth.example", "http://auth.example:80/"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081/x"),
            ("http://[::1]:8081", "http://[0:0::1]:8081/x"),
            ("https://*.example", "https://a.b.example/"),
        ] {
            assert!(admits(allowed, uri), "{allowed} {uri}");
        }
        for (allowed, uri) in [
            ("https://auth.example", "http://auth.example/"),
            ("https://auth.example", "https://auth.example:8443/"),
            ("https://auth.example", "https://auth.example.evil.test/"),
            ("https://auth.example", "https://user@auth.example/"),
            ("https://auth.example", "https://auth.example./"),
            ("https://*.example", "https://example/"),
            ("https://*.example", "https://evilexample/"),
            ("http://127.0.0.1", "http://localhost/"),
            ("http://127.0.0.1", "http://[::ffff:127.0.0.1]/"),
            ("http://127.0.0.1", "http://127.1/"),
            ("http://auth.example", "http://auth.example:0/"),
        ] {
            assert!(!admits(allowed, uri), "{allowed} {uri}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "auth.example",
            "ftp://auth.example",
            "HTTPS://auth.example",
            "https://",
            "https://auth.example/",
            "https://auth.example/path",
            "https://auth.example?x",
            "https://user:secret@auth.example",
            "https://a.*.example",
            "https://*",
            "https://*.*.example",
            "https://*.127.0.0.1",
            "https://auth..example",
            "https://auth.example:0",
            "https://auth.example:",
            "https://auth.example:port",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text}");
        }
        for text in ["https://auth.example", "http://[::1]:81", "https://*.a.example:8443", "http://10.0.0.1"] {
            assert_eq!(text.parse::<AllowedOrigin>().unwrap().to_string(), text);
        }
    }
}
