//! Finds the user of an address.

use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Networks and their users, the longest prefix first.
#[derive(Debug, Default)]
pub(crate) struct Networks(Vec<(IpNet, String)>);

// === impl Networks ===

impl Networks {
    /// Parses the setting; the error names the network.
    pub(crate) fn parse(networks: &BTreeMap<String, String>) -> Result<Self, String> {
        let parse = |(text, user): (&String, &String)| {
            if !matches!(user.len(), 1..=255) {
                return Err(format!("setting `networks.{text}`: a user has 1 to 255 bytes"));
            }
            let net = network(text).ok_or_else(|| format!("setting `networks.{text}`: not an address or a network"))?;
            Ok((net, user.clone()))
        };
        let mut networks: Vec<_> = networks.iter().map(parse).collect::<Result<_, _>>()?;
        networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        if let Some((net, _)) = twice(&networks) {
            return Err(format!("setting `networks`: {net} is listed twice"));
        }
        Ok(Self(networks))
    }

    /// The user of the longest network that contains the address. An IPv4 address that is written as an IPv6 one is the IPv4
    /// address. On a UNIX socket there is no address, and no user.
    pub(crate) fn user_of(&self, address: &str) -> Option<&str> {
        // A link-local address may carry its zone.
        let address = address.split('%').next()?;
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        self.0.iter().find(|(net, _)| net.contains(&address)).map(|(_, user)| user.as_str())
    }
}

/// A network, or an address on its own. IPv4 networks that are written as IPv6 ones (`::ffff:10.0.0.0/104`) are IPv4 networks.
fn network(text: &str) -> Option<IpNet> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    let IpNet::V6(six) = net else { return Some(net.trunc()) };
    match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
        (Some(four), Some(prefix)) => Some(IpNet::V4(Ipv4Net::new(four, prefix).ok()?.trunc())),
        _ => Some(net.trunc()),
    }
}

fn twice(networks: &[(IpNet, String)]) -> Option<&(IpNet, String)> {
    networks
        .iter()
        .enumerate()
        .find(|(at, (net, _))| networks[..*at].iter().any(|(other, _)| other == net))
        .map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(networks: &[(&str, &str)]) -> Result<Networks, String> {
        Networks::parse(&networks.iter().map(|(net, user)| ((*net).to_owned(), (*user).to_owned())).collect())
    }

    #[test]
    fn the_longest_prefix_wins() {
        let networks = networks(&[
            ("10.0.0.0/8", "intranet"),
            ("10.1.0.0/16", "lab"),
            ("10.1.2.3", "printer"),
            ("0.0.0.0/0", "all"),
        ]);
        let networks = networks.unwrap();
        assert_eq!(networks.user_of("10.9.9.9"), Some("intranet"));
        assert_eq!(networks.user_of("10.1.9.9"), Some("lab"));
        assert_eq!(networks.user_of("10.1.2.3"), Some("printer"));
        assert_eq!(networks.user_of("192.0.2.1"), Some("all"));
        assert_eq!(networks.user_of("2001:db8::1"), None);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let networks =
            networks(&[("127.0.0.1/32", "local"), ("::ffff:10.0.0.0/104", "intranet"), ("::/0", "six")]).unwrap();
        assert_eq!(networks.user_of("::ffff:127.0.0.1"), Some("local"));
        assert_eq!(networks.user_of("10.2.3.4"), Some("intranet"));
        assert_eq!(networks.user_of("::1"), Some("six"));
        assert_eq!(networks.user_of("fe80::1%eth0"), Some("six"));
        assert_eq!(networks.user_of("192.0.2.1"), None);
    }

    #[test]
    fn a_client_without_an_address_has_no_user() {
        let networks = networks(&[("0.0.0.0/0", "all"), ("::/0", "all")]).unwrap();
        assert_eq!(networks.user_of(""), None);
        assert_eq!(networks.user_of("localhost"), None);
    }

    #[test]
    fn names_the_network_that_is_wrong() {
        for (net, user) in [("10.0.0.0/33", "a"), ("ten", "a"), ("10.0.0.0/8", "")] {
            assert!(networks(&[(net, user)]).unwrap_err().contains(&format!("`networks.{net}`")));
        }
        assert!(networks(&[("10.0.0.0/8", "a"), ("10.1.0.0/8", "b")]).unwrap_err().contains("listed twice"));
    }
}
