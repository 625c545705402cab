//! What one client may have and do: sockets at a time, connections in a time. A client is an IPv4 address, or a network of IPv6: the
//! machine that has one of its addresses can have them all.

use crate::rate::TokenBucket;
use socklet_core::Rate;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
};
use tokio::time::Instant;

/// The client addresses that have a socket open, or had one a moment ago.
#[derive(Debug)]
pub(crate) struct Clients(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    max_sockets: Option<usize>,
    rate: Option<Rate>,
    clients: HashMap<IpAddr, Client>,
}

#[derive(Debug)]
struct Client {
    sockets: usize,
    bucket: Option<TokenBucket>,
    last: Instant,
}

/// One socket of a client, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    clients: Arc<Clients>,
    ip: Option<IpAddr>,
    /// Whether the client had too many sockets when this one came.
    pub(crate) excess: bool,
}

/// Above this many addresses, those without a socket whose bucket has filled up again are forgotten.
const PRUNE_ABOVE: usize = 4096;

// === impl Clients ===

impl Clients {
    pub(crate) fn new(max_sockets: Option<usize>, rate: Option<Rate>) -> Self {
        Self(Mutex::new(State { max_sockets, rate, clients: HashMap::new() }))
    }

    /// Takes over other limits. Sockets that came while there was no limit are not counted.
    pub(crate) fn configure(&self, max_sockets: Option<usize>, rate: Option<Rate>) {
        let mut state = self.lock();
        state.max_sockets = max_sockets;
        if state.rate != rate {
            state.rate = rate;
            let now = Instant::now();
            state.clients.values_mut().for_each(|client| client.bucket = rate.map(|rate| TokenBucket::new(rate, now)));
        }
        state.clients.retain(|_, client| client.sockets > 0 || client.bucket.is_some());
    }

    /// Counts a socket.
    pub(crate) fn socket(self: &Arc<Self>, ip: Option<IpAddr>) -> ClientSocket {
        let mut state = self.lock();
        let limited = state.max_sockets.is_some() || state.rate.is_some();
        let ip = ip.map(client).filter(|_| limited);
        let excess = ip.is_some_and(|ip| state.add(ip));
        ClientSocket { clients: self.clone(), ip, excess }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

// === impl State ===

impl State {
    /// Counts a socket of an address. Whether it is one too many.
    fn add(&mut self, ip: IpAddr) -> bool {
        self.prune();
        let (now, rate) = (Instant::now(), self.rate);
        let client = self.clients.entry(ip).or_insert_with(|| Client {
            sockets: 0,
            bucket: rate.map(|rate| TokenBucket::new(rate, now)),
            last: now,
        });
        client.sockets += 1;
        self.max_sockets.is_some_and(|max| client.sockets > max)
    }

    fn prune(&mut self) {
        if self.clients.len() >= PRUNE_ABOVE && self.clients.len().is_power_of_two() {
            let full_after = self.rate.map(|rate| rate.per).unwrap_or_default();
            self.clients.retain(|_, client| client.sockets > 0 || client.last.elapsed() < full_after);
        }
    }
}

/// Who has an address. Those of one IPv4 client are one, however it is written; those of IPv6 that have the first 64 bits in common
/// are one (RFC 4291, section 2.5.4).
fn client(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

// === impl ClientSocket ===

impl ClientSocket {
    /// Whether the client may open one more WebSocket connection now.
    pub(crate) fn may_connect(&self) -> bool {
        let Some(ip) = self.ip else { return true };
        let now = Instant::now();
        let mut state = self.clients.lock();
        let Some(client) = state.clients.get_mut(&ip) else { return true };
        client.last = now;
        client.bucket.as_mut().is_none_or(|bucket| bucket.take(1, now))
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        let Some(ip) = self.ip else { return };
        let mut state = self.clients.lock();
        if let Some(client) = state.clients.get_mut(&ip) {
            client.sockets -= 1;
            if client.sockets == 0 && client.bucket.is_none() {
                state.clients.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let clients = Arc::new(Clients::new(Some(1), None));
        let socket = |ip: &str| clients.socket(Some(ip.parse().unwrap()));
        let _first = socket("2001:db8:0:1::1");
        assert!(socket("2001:db8:0:1:ffff::2").excess);
        assert!(!socket("2001:db8:0:2::1").excess);
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_and_rate_are_counted_by_address() {
        let clients = Arc::new(Clients::new(Some(2), Some(Rate::per_second(3))));
        let ip = |s: &str| Some(s.parse().unwrap());
        let a = clients.socket(ip("127.0.0.1"));
        let b = clients.socket(ip("::ffff:127.0.0.1"));
        let c = clients.socket(ip("127.0.0.1"));
        assert_eq!([a.excess, b.excess, c.excess], [false, false, true]);
        assert!(!clients.socket(ip("127.0.0.2")).excess);
        drop(a);
        drop(c);
        assert!(!clients.socket(ip("127.0.0.1")).excess);
        assert_eq!([b.may_connect(), b.may_connect(), b.may_connect(), b.may_connect()], [true, true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(b.may_connect());
        clients.configure(None, Some(Rate::per_second(1)));
        assert!(!clients.socket(ip("127.0.0.1")).excess);
        assert_eq!([b.may_connect(), b.may_connect()], [true, false]);
        clients.configure(Some(1), None);
        assert!(b.may_connect() && clients.socket(ip("127.0.0.1")).excess);
        clients.configure(None, None);
        drop(b);
        assert!(clients.lock().clients.is_empty());
    }
}
