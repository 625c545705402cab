//! The address of an admin API, as people write it.

use socklet_server::Bind;
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// Where an admin API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host and a port.
    Http(String),
    /// A host and a port, by TLS.
    Https(String),
    /// A UNIX socket.
    Unix(PathBuf),
}

// === impl Address ===

impl Address {
    /// Where clients on this machine find what is bound there.
    pub(super) fn of(bind: &Bind, secure: bool) -> Self {
        match bind {
            Bind::Tcp(address) if secure => Self::Https(reachable(*address).to_string()),
            Bind::Tcp(address) => Self::Http(reachable(*address).to_string()),
            Bind::Unix(path) => Self::Unix(path.clone()),
            // It has no path; it is not what an admin API is on.
            Bind::Systemd(name) => Self::Unix(name.into()),
        }
    }

    /// What requests call the host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Http(authority) | Self::Https(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        type Make = fn(String) -> Address;
        let schemes: [(&str, Make); 2] = [("http://", Self::Http), ("https://", Self::Https)];
        let found = schemes.into_iter().find_map(|(scheme, make)| Some((scheme, make, text.strip_prefix(scheme)?)));
        if let Some((scheme, make, authority)) = found {
            let authority = authority.strip_suffix('/').unwrap_or(authority);
            let port = authority.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            return match port.map(str::parse::<u16>) {
                Some(Ok(_)) if http::uri::Authority::try_from(authority).is_ok() => Ok(make(authority.to_owned())),
                _ => Err(format!("write {scheme}HOST:PORT")),
            };
        }
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.is_empty() || (path == text && !text.contains('/')) {
            return Err("write http://HOST:PORT, https://HOST:PORT, unix:PATH or a path with a slash".to_owned());
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
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
            ("https://admin.example:443/", "https://admin.example:443"),
            ("http://admin.example:80", "http://admin.example:80"),
            ("unix:admin.sock", "unix:admin.sock"),
            ("/run/admin.sock", "unix:/run/admin.sock"),
            ("./admin.sock", "unix:./admin.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for bad in ["", "unix:", "http://", "http://a", "http://:80", "http://a:b", "http://a:1/v1", "https://a", "a:1"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
        let bind = ":9091".parse().unwrap();
        assert_eq!(Address::of(&bind, false).to_string(), "http://127.0.0.1:9091");
        assert_eq!(Address::of(&bind, true).to_string(), "https://127.0.0.1:9091");
    }
}
