//! Who was refused too often: for a while such a client is answered without a look at what it shows.

use crate::{access::Identity, endpoint::Peer};
use socklet_core::Rate;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How often each client was refused.
#[derive(Debug)]
pub(super) struct Failures {
    rate: Rate,
    // A std mutex: held for a look into the map, never across an await.
    clients: Mutex<HashMap<Client, Count>>,
}

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Of IPv6 it is the network: whoever has one address there has all of it.
    Network(IpAddr),
    User(Option<u32>),
    /// A token that was accepted, and may not do what it is used for.
    Token(Box<str>),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failures: u32,
}

/// Clients that are remembered. Where there are more, the oldest are forgotten.
const CLIENTS: usize = 1024;

// === impl Failures ===

impl Failures {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, clients: Mutex::default() }
    }

    /// How long a client is not listened to; none: it is.
    pub(super) fn blocked(&self, client: &Client) -> Option<Duration> {
        let clients = self.lock();
        let count = clients.get(client).filter(|count| count.failures >= self.rate.count)?;
        Some(self.rate.per.saturating_sub(count.since.elapsed())).filter(|left| !left.is_zero())
    }

    /// Counts a failure. Whether it is the last one that is listened to for now.
    pub(super) fn count(&self, client: Client) -> bool {
        let (now, per) = (Instant::now(), self.rate.per);
        let mut clients = self.lock();
        if clients.len() >= CLIENTS {
            clients.retain(|_, count| now - count.since < per);
        }
        if clients.len() >= CLIENTS
            && let Some(oldest) = clients.iter().min_by_key(|(_, count)| count.since).map(|(client, _)| client.clone())
        {
            clients.remove(&oldest);
        }
        let count = clients.entry(client).or_insert(Count { since: now, failures: 0 });
        if now - count.since >= per {
            *count = Count { since: now, failures: 0 };
        }
        count.failures = count.failures.saturating_add(1);
        count.failures == self.rate.count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Count>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Client ===

impl From<&Identity> for Client {
    fn from(who: &Identity) -> Self {
        Self::Token(who.name.clone())
    }
}

impl From<Peer> for Client {
    fn from(peer: Peer) -> Self {
        match (peer, peer.ip()) {
            (Peer::Unix(user), _) => Self::User(user),
            (_, Some(IpAddr::V6(ip))) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                Self::Network(Ipv6Addr::from(network).into())
            }
            (_, ip) => Self::Network(ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Client {
        Peer::Tcp((ip.parse::<IpAddr>().unwrap(), 1).into()).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_fails_too_often_is_not_listened_to_for_a_while() {
        let failures = Failures::new("3/m".parse().unwrap());
        let a = || peer("127.0.0.1");
        assert_eq!([failures.count(a()), failures.count(a())], [false, false]);
        assert_eq!(failures.blocked(&a()), None);
        assert!(failures.count(a()), "the last one");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(failures.blocked(&a()), Some(Duration::from_secs(40)));
        assert_eq!(failures.blocked(&peer("::ffff:127.0.0.1")), Some(Duration::from_secs(40)));
        assert_eq!(failures.blocked(&peer("127.0.0.2")), None);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(failures.blocked(&a()), None);
        assert!(!failures.count(a()), "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_client_and_their_number_is_bounded() {
        let failures = Failures::new("1/m".parse().unwrap());
        failures.count(peer("2001:db8::1"));
        assert!(failures.blocked(&peer("2001:db8::2")).is_some());
        assert!(failures.blocked(&peer("2001:db8:0:1::1")).is_none());
        for network in 0..2 * CLIENTS as u16 {
            tokio::time::advance(Duration::from_millis(1)).await;
            failures.count(peer(&format!("2001:db8:1:{network:x}::1")));
        }
        assert_eq!(failures.lock().len(), CLIENTS);
        assert!(failures.blocked(&peer("2001:db8::2")).is_none(), "the oldest");
    }
}
