//! Who is a proxy of ours: networks, and whoever may use our UNIX socket.

use ipnet::{IpNet, Ipv4Net};
use std::{fmt, net::IpAddr, str::FromStr};

/// The proxies that are believed. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

/// A proxy that is believed, or many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Those of a network.
    Network(IpNet),
    /// Whoever may use the UNIX socket.
    Unix,
}

/// Not a proxy that could be trusted, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidProxy(String);

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether those on a UNIX socket are among them.
    pub fn has_unix(&self) -> bool {
        self.unix
    }

    /// Whether networks are among them.
    pub fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether an address is one of theirs; none stands for the other end of a UNIX socket.
    pub(crate) fn contain(&self, ip: Option<IpAddr>) -> bool {
        match ip.map(|ip| ip.to_canonical()) {
            Some(ip) => self.networks.iter().any(|network| network.contains(&ip)),
            None => self.unix,
        }
    }
}

impl FromIterator<TrustedProxy> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = TrustedProxy>>(proxies: I) -> Self {
        let mut all = Self::default();
        for proxy in proxies {
            match proxy {
                TrustedProxy::Network(network) => all.networks.push(network),
                TrustedProxy::Unix => all.unix = true,
            }
        }
        all
    }
}

// === impl TrustedProxy ===

impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(s: &str) -> Result<Self, InvalidProxy> {
        if s == "unix" {
            return Ok(Self::Unix);
        }
        if let Ok(ip) = s.parse::<IpAddr>() {
            return Ok(Self::Network(ip.to_canonical().into()));
        }
        let network: IpNet = s.parse().map_err(|_| InvalidProxy("not a network".to_owned()))?;
        if network != network.trunc() {
            // A typing mistake, most likely in the number behind the slash.
            return Err(InvalidProxy(format!("an address within a network; the network is {}", network.trunc())));
        }
        Ok(Self::Network(canonical(network)))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// IPv4 addresses are IPv4 addresses, also where they are written as IPv6.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(ip, prefix)| Ipv4Net::new(ip, prefix).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn networks_and_addresses() {
        let list = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.0/120"];
        let proxies: TrustedProxies = list.iter().map(|text| text.parse::<TrustedProxy>().unwrap()).collect();
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "2001:db8:1::", "198.51.100.7"] {
            assert!(proxies.contain(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.0", "192.0.2.2", "2001:db9::", "::1", "198.51.101.0"] {
            assert!(!proxies.contain(ip(outside)), "{outside}");
        }
        assert!(!proxies.contain(None) && !proxies.has_unix() && proxies.has_networks());
        let unix: TrustedProxies = [TrustedProxy::Unix].into_iter().collect();
        assert!(unix.contain(None) && !unix.contain(ip("127.0.0.1")) && !unix.is_empty() && !unix.has_networks());
        assert!(TrustedProxies::default().is_empty() && !TrustedProxies::default().contain(None));
    }

    #[test]
    fn what_is_no_network() {
        for (bad, why) in [
            ("", "not a network"),
            ("localhost", "not a network"),
            ("10.0.0.0/33", "not a network"),
            ("10.0.0/8", "not a network"),
            ("10.0.0.1/8", "an address within a network; the network is 10.0.0.0/8"),
            ("2001:db8::1/32", "an address within a network; the network is 2001:db8::/32"),
        ] {
            assert_eq!(bad.parse::<TrustedProxy>().unwrap_err().to_string(), why, "{bad:?}");
        }
    }
}
