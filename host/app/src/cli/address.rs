//! The address of an admin API, as people write it.

use socklet_server::Bind;
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// Where an admin API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host and a port.
    Http(String),
    /// A UNIX socket.
    Unix(PathBuf),
}

// === impl Address ===

impl Address {
    /// Where clients on this machine find what is bound there.
    pub(super) fn of(bind: &Bind) -> Self {
        match bind {
            Bind::Tcp(address) => Self::Http(reachable(*address).to_string()),
            Bind::Unix(path) => Self::Unix(path.clone()),
            // It has no path; it is not what an admin API is on.
            Bind::Systemd(name) => Self::Unix(name.into()),
        }
    }

    /// What requests call the host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Http(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(authority) = text.strip_prefix("http://") {
            let authority = authority.strip_suffix('/').unwrap_or(authority);
            let port = authority.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            return match port.map(str::parse::<u16>) {
                Some(Ok(_)) if http::uri::Authority::try_from(authority).is_ok() => {
                    Ok(Self::Http(authority.to_owned()))
                }
                _ => Err("write http://HOST:PORT".to_owned()),
            };
        }
        if text.starts_with("https://") {
            return Err("the admin API has no TLS: write http://HOST:PORT".to_owned());
        }
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.is_empty() || (path == text && !text.contains('/')) {
            return Err("write http://HOST:PORT, unix:PATH or a path with a slash".to_owned());
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that a client on this machine can use.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        // Also reached by IPv4, and every machine has that.
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => ([127, 0, 0, 1], v6.port()).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("http://127.0.0.1:9091", "http://127.0.0.1:9091"),
            ("http://[::1]:9091/", "http://[::1]:9091"),
            ("http://admin.example:80", "http://admin.example:80"),
            ("unix:admin.sock", "unix:admin.sock"),
            ("/run/admin.sock", "unix:/run/admin.sock"),
            ("./admin.sock", "unix:./admin.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for bad in
            ["", "unix:", "http://", "http://a", "http://:80", "http://a:b", "http://a:1/v1", "https://a:1", "a:1"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
        assert_eq!(Address::of(&":9091".parse().unwrap()).to_string(), "http://127.0.0.1:9091");
    }
}
