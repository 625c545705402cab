//! Who a request's client is, by what trusted proxies wrote into it: `Forwarded` (RFC 7239), `X-Forwarded-For` or `X-Real-IP`.
//!
//! Each proxy adds whom it was called by, at the end. So the list is read from the end, for as long as whoever wrote an entry is
//! trusted; what stands before that anybody may have made up, and nobody looks at it.

mod element;

use super::{RealIpHeader, Via};
use crate::{
    listener::Origin,
    server::{Inner, Slot},
};
use element::Node;
use http::{HeaderMap, HeaderName, header::FORWARDED};
use socklet_core::Refusal;
use std::{net::SocketAddr, sync::Arc};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What a trusted proxy says of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// The client; none: the proxy does not say who it is.
    client: Option<SocketAddr>,
    /// Whether the client's own connection is secure; none: the proxy does not say.
    secure: Option<bool>,
}

/// A field that says nothing that could be understood.
type Nonsense = &'static str;

/// Where a request comes from, and the place that its client has. On a socket without proxies, what the socket has.
///
/// # Errors
///
/// When a trusted proxy says something that nobody can understand.
pub(crate) fn client(
    server: &Inner,
    origin: Arc<Origin>,
    slot: Arc<Slot>,
    headers: &HeaderMap,
) -> (Arc<Origin>, Arc<Slot>, Result<(), Refusal>) {
    if !origin.via.expects_field() {
        return (origin, slot, Ok(()));
    }
    let peer = || origin.client.map_or_else(|| "unix".to_owned(), |client| client.to_string());
    let (origin, outcome) = match look(&origin.via, headers) {
        Ok(found) => {
            let mut here = Origin::clone(&origin);
            if let Some(client) = found.client {
                here.via.proxy = Some(peer());
                here.client = Some(client);
            }
            here.via.secure = found.secure;
            (Arc::new(here), Ok(()))
        }
        Err(nonsense) => (origin, Err(Refusal::BadHandshake(nonsense))),
    };
    let slot = Arc::new(slot.of_client(server, origin.client));
    (origin, slot, outcome)
}

fn look(via: &Via, headers: &HeaderMap) -> Result<Found, Nonsense> {
    match via.edge.real_ip {
        None => Ok(Found::default()),
        Some(RealIpHeader::Forwarded) => forwarded(via, headers),
        Some(RealIpHeader::XForwardedFor) => {
            Ok(Found { client: forwarded_for(via, headers)?, secure: forwarded_proto(headers)? })
        }
        Some(RealIpHeader::XRealIp) => Ok(Found { client: real_ip(headers)?, secure: forwarded_proto(headers)? }),
    }
}

/// Walks back through entries, the last one first: that of the client, or none where it is not named.
fn walk<T>(
    via: &Via,
    mut entries: impl Iterator<Item = Result<T, Nonsense>>,
    node: impl Fn(&T) -> Node,
) -> Result<Option<(T, Option<SocketAddr>)>, Nonsense> {
    let mut last = None;
    // Those who wrote it are trusted.
    for entry in &mut entries {
        let entry = entry?;
        match node(&entry) {
            Node::Address(address) if via.edge.trusted.contain(Some(address.ip())) => {
                last = Some((entry, Some(address)))
            }
            Node::Address(address) => return Ok(Some((entry, Some(address)))),
            // The proxy does not tell by whom it was called: what is known for certain is that proxy.
            Node::Unknown => {
                let known = last.and_then(|(_, address)| address);
                return Ok(Some((entry, known)));
            }
        }
    }
    Ok(last)
}

/// Fields of several lines are one list; each line is read by itself, so that nothing in one that a client has sent changes how the
/// line of a proxy is read.
fn forwarded(via: &Via, headers: &HeaderMap) -> Result<Found, Nonsense> {
    const NONSENSE: Nonsense = "the Forwarded field cannot be understood";
    let lines = headers.get_all(FORWARDED).iter().rev();
    let entries = lines.flat_map(|line| match line.to_str().ok().and_then(element::list) {
        Some(elements) => elements.into_iter().rev().map(Ok).collect(),
        None => vec![Err(NONSENSE)],
    });
    let found = walk(via, entries, |element| element.node)?;
    Ok(found.map_or_else(Found::default, |(element, client)| Found { client, secure: element.secure }))
}

fn forwarded_for(via: &Via, headers: &HeaderMap) -> Result<Option<SocketAddr>, Nonsense> {
    const NONSENSE: Nonsense = "the X-Forwarded-For field cannot be understood";
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| {
        // What a client wrote before is not looked at, whatever bytes it has.
        line.as_bytes().rsplit(|byte| *byte == b',').map(|entry| {
            let entry = std::str::from_utf8(entry).map_err(|_| NONSENSE)?;
            element::plain_node(entry.trim_matches([' ', '\t'])).ok_or(NONSENSE)
        })
    });
    Ok(walk(via, entries, |node| *node)?.and_then(|(_, client)| client))
}

fn real_ip(headers: &HeaderMap) -> Result<Option<SocketAddr>, Nonsense> {
    const NONSENSE: Nonsense = "the X-Real-IP field cannot be understood";
    let Some(value) = only(headers, &REAL_IP, NONSENSE)? else { return Ok(None) };
    match element::plain_node(value) {
        Some(Node::Address(client)) => Ok(Some(client)),
        Some(Node::Unknown) => Ok(None),
        None => Err(NONSENSE),
    }
}

fn forwarded_proto(headers: &HeaderMap) -> Result<Option<bool>, Nonsense> {
    const NONSENSE: Nonsense = "the X-Forwarded-Proto field cannot be understood";
    match only(headers, &FORWARDED_PROTO, NONSENSE)? {
        None => Ok(None),
        Some(scheme) => element::scheme(scheme).map(Some).ok_or(NONSENSE),
    }
}

/// The value of a field that there is once, or not at all.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName, nonsense: Nonsense) -> Result<Option<&'h str>, Nonsense> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| nonsense),
        (Some(_), Some(_)) => Err(nonsense),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Edge, TrustedProxy};

    fn found(
        header: RealIpHeader,
        fields: &[(&'static str, &str)],
    ) -> Result<(Option<String>, Option<bool>), Nonsense> {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse::<TrustedProxy>().unwrap());
        let edge = Edge { trusted: trusted.into_iter().collect(), real_ip: Some(header), ..Edge::default() };
        let via = Via::new(edge.into(), Some("10.0.0.1:1".parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        look(&via, &headers).map(|found| (found.client.map(|client| client.to_string()), found.secure))
    }

    #[test]
    fn lists_of_addresses() {
        for (lines, client) in [
            (&[][..], None),
            (&["203.0.113.9"][..], Some("203.0.113.9:0")),
            (&["203.0.113.9:4711"], Some("203.0.113.9:4711")),
            (&["2001:4860::1"], Some("[2001:4860::1]:0")),
            (&["[2001:4860::1]:7"], Some("[2001:4860::1]:7")),
            (&["::ffff:203.0.113.9"], Some("203.0.113.9:0")),
            (&["198.51.100.1, 203.0.113.9"], Some("203.0.113.9:0")),
            (&["198.51.100.1, 203.0.113.9,10.0.0.2 ,\t2001:db8::7"], Some("203.0.113.9:0")),
            (&["198.51.100.1", "203.0.113.9", "10.0.0.2"], Some("203.0.113.9:0")),
            // Nobody looks at what a client has made up.
            (&["<script>, \u{fc}, , 203.0.113.9, 10.0.0.2"], Some("203.0.113.9:0")),
            (&["nonsense", "203.0.113.9"], Some("203.0.113.9:0")),
            // All of them are ours: the first one is the client.
            (&["10.9.9.9, 10.0.0.3, 10.0.0.2"], Some("10.9.9.9:0")),
            // The last one that is known.
            (&["unknown, 10.0.0.2"], Some("10.0.0.2:0")),
            (&["203.0.113.9, unknown"], None),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(found(RealIpHeader::XForwardedFor, &fields), Ok((client.map(str::to_owned), None)), "{lines:?}");
        }
        for lines in [&[""][..], &["203.0.113.9,"], &["203.0.113.9, x, 10.0.0.2"], &["203.0.113.9", ""], &["localhost"]]
        {
            let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert!(found(RealIpHeader::XForwardedFor, &fields).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn elements() {
        for (lines, client, secure) in [
            (&["for=203.0.113.9"][..], Some("203.0.113.9:0"), None),
            (&["For=\"203.0.113.9:4711\";Proto=HTTPS;by=10.0.0.1"], Some("203.0.113.9:4711"), Some(true)),
            (&["for=\"[2001:4860::1]\";proto=http"], Some("[2001:4860::1]:0"), Some(false)),
            (&["for=198.51.100.1;proto=https, for=203.0.113.9;proto=http"], Some("203.0.113.9:0"), Some(false)),
            (&["for=203.0.113.9;proto=https, for=10.0.0.2;proto=http"], Some("203.0.113.9:0"), Some(true)),
            (&["for=203.0.113.9;proto=https", "for=10.0.0.2"], Some("203.0.113.9:0"), Some(true)),
            (&["for=_hidden, for=10.0.0.2"], Some("10.0.0.2:0"), None),
            (&["for=unknown;proto=https"], None, Some(true)),
            (&["proto=wss"], None, Some(true)),
            (&["for=\"_a\\\"b\""], None, None),
            // The line that a client has sent is not looked at.
            (&["for=\"", "for=203.0.113.9"], Some("203.0.113.9:0"), None),
            (&["for=198.51.100.1;x=\"a,b;for=10.0.0.2\", for=203.0.113.9"], Some("203.0.113.9:0"), None),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            let expected = Ok((client.map(str::to_owned), secure));
            assert_eq!(found(RealIpHeader::Forwarded, &fields), expected, "{lines:?}");
        }
        for line in [
            "",
            ",",
            "for=203.0.113.9,",
            "for",
            "for=",
            "=a",
            "for=203.0.113.9;for=203.0.113.9",
            "for=2001:4860::1",
            "for=\"2001:4860::1\"",
            "for=\"203.0.113.9",
            "for=\"203.0.113.9\"x",
            "for = 203.0.113.9",
            "for=203.0.113.300",
            "for=localhost",
            "proto=gopher",
            // A client that tries to swallow what a proxy appends.
            "for=9.9.9.9;x=\", for=203.0.113.9",
            "for=9.9.9.9;x=\", for=\"[2001:4860::1]\"",
        ] {
            assert!(found(RealIpHeader::Forwarded, &[("forwarded", line)]).is_err(), "{line:?}");
        }
    }

    #[test]
    fn one_address() {
        let real = |fields: &[_]| found(RealIpHeader::XRealIp, fields);
        assert_eq!(real(&[]), Ok((None, None)));
        let both = [("x-real-ip", "203.0.113.9"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "nonsense")];
        assert_eq!(real(&both), Ok((Some("203.0.113.9:0".to_owned()), Some(true))));
        assert_eq!(real(&[("x-real-ip", "10.0.0.9")]), Ok((Some("10.0.0.9:0".to_owned()), None)));
        for fields in [
            &[("x-real-ip", "203.0.113.9, 203.0.113.8")][..],
            &[("x-real-ip", "203.0.113.9"), ("x-real-ip", "203.0.113.9")],
            &[("x-real-ip", "nobody")],
            &[("x-real-ip", "203.0.113.9"), ("x-forwarded-proto", "https, http")],
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
            &[("x-forwarded-proto", "")],
        ] {
            assert!(real(fields).is_err(), "{fields:?}");
        }
    }
}
