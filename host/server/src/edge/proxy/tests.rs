//! Headers of both versions, as proxies write them and as they must not.

use super::*;
use crate::edge::{Edge, Via};
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, duplex};

const V2: &[u8] = v2::PROTOCOL_PREFIX;

/// What becomes of these bytes, and what is left of them.
fn read_from(versions: ProxyProtocol, bytes: &[u8]) -> (Result<Said, Bad>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut stream = bytes;
        let said = read(&mut stream, versions).await;
        (said, stream.to_vec())
    })
}

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2, &[0x20 | command, family], &length, rest].concat()
}

fn v4() -> Vec<u8> {
    vec![192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 0, 80]
}

fn said(client: &str, local: &str) -> Said {
    Said::Addresses { client: client.parse().unwrap(), local: local.parse().unwrap() }
}

/// A header with its checksum, behind an extension that says nothing.
fn with_checksum() -> Vec<u8> {
    let mut bytes = header(1, 0x11, &[&v4()[..], &[4, 0, 2, 9, 9], &[3, 0, 4, 0, 0, 0, 0]].concat());
    let checksum = CRC32C.checksum(&bytes);
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn the_checksum_is_that_of_the_specification() {
    assert_eq!(CRC32C.checksum(b"123456789"), 0xe306_9283);
}

#[test]
fn lines() {
    for (line, expected) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n", said("192.0.2.1:4711", "198.51.100.2:80")),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n", said("1.1.1.1:0", "2.2.2.2:0")),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            said("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 4711 80\r\n", said("[2001:db8::1]:4711", "[::1]:80")),
        ("PROXY TCP6 :: :: 0 0\r\n", said("[::]:0", "[::]:0")),
        ("PROXY UNKNOWN\r\n", Said::Nothing),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Said::Nothing,
        ),
    ] {
        // Not a byte of what follows is taken.
        let bytes = [line, "\n\r\nGET"].concat();
        for versions in [ProxyProtocol::V1, ProxyProtocol::Any] {
            assert_eq!(read_from(versions, bytes.as_bytes()), (Ok(expected), b"\n\r\nGET".to_vec()), "{line:?}");
        }
        assert_eq!(read_from(ProxyProtocol::V2, bytes.as_bytes()).0, Err(Bad::Version(1)));
    }
}

#[test]
fn lines_that_are_wrong() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 080\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 -1\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 ::1 198.51.100.2 4711 80\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY TCP4\r\nGET / HTTP/1.1\r\nhost: example.com\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY \r\n\r\n\r\n\r\n\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\rX\n",
    ] {
        let bytes = [line, "GET / HTTP/1.1\r\n\r\n"].concat();
        let outcome = read_from(ProxyProtocol::Any, bytes.as_bytes()).0.unwrap_err();
        assert_eq!(outcome.outcome(), "malformed", "{line:?}: {outcome}");
    }
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 1000]].concat();
    let (outcome, left) = read_from(ProxyProtocol::V1, &endless);
    assert_eq!((outcome.unwrap_err().outcome(), left.len()), ("malformed", endless.len() - MAX_V1));
    for request in ["GET / HTTP/1.1\r\n", "proxy TCP4 1.1.1.1 2.2.2.2 1 1\r\n", "\r\n\r\n\0\r\nQUIT\r\r\r\r\r"] {
        assert_eq!(read_from(ProxyProtocol::Any, request.as_bytes()).0, Err(Bad::Missing), "{request:?}");
    }
    for cut in ["", "PROXY", "PROXY TCP4 1", "PROXY TCP4 1.1.1.1 2.2.2.2 1111 1", "PROXY UNKNOWN\r"] {
        assert_eq!(read_from(ProxyProtocol::Any, cut.as_bytes()).0, Err(Bad::Closed), "{cut:?}");
    }
}

#[test]
fn binary_headers() {
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 15], &[1], &[0x12, 0x67, 0, 80]].concat();
    let extensions = [&v4()[..], &[0x20, 0, 5, 1, 0, 0, 0, 0], &[0xee, 0, 0]].concat();
    for (bytes, expected) in [
        (header(1, 0x11, &v4()), said("192.0.2.1:4711", "198.51.100.2:80")),
        (header(1, 0x21, &v6), said("[2001:db8::1]:4711", "[::1]:80")),
        (header(1, 0x11, &extensions), said("192.0.2.1:4711", "198.51.100.2:80")),
        (header(1, 0x31, &[b'x'; 216]), Said::Nameless),
        (header(0, 0x11, &v4()), Said::Nothing),
        (header(0, 0x00, &[]), Said::Nothing),
        (header(1, 0x00, &[1, 2, 3, 4]), Said::Nothing),
        (with_checksum(), said("192.0.2.1:4711", "198.51.100.2:80")),
    ] {
        let behind = [&bytes[..], b"GET"].concat();
        for versions in [ProxyProtocol::V2, ProxyProtocol::Any] {
            assert_eq!(read_from(versions, &behind), (Ok(expected), b"GET".to_vec()), "{bytes:?}");
        }
        assert_eq!(read_from(ProxyProtocol::V1, &behind).0, Err(Bad::Version(2)));
        for cut in 0..bytes.len() {
            assert_eq!(read_from(ProxyProtocol::Any, &bytes[..cut]).0, Err(Bad::Closed), "{cut} of {bytes:?}");
        }
    }
}

#[test]
fn binary_headers_that_are_wrong() {
    let mut version = header(1, 0x11, &v4());
    version[12] = 0x11;
    let large = [V2, &[0x21, 0x11, 0xff, 0xff]].concat();
    let more = |extensions: &[u8]| header(1, 0x11, &[&v4()[..], extensions].concat());
    for bytes in [
        version,
        large,
        header(2, 0x11, &v4()),
        header(1, 0x41, &v4()),
        header(1, 0x13, &v4()),
        header(1, 0x12, &v4()),
        header(1, 0x11, &v4()[..11]),
        header(1, 0x21, &v4()),
        more(&[1]),
        more(&[1, 0, 2, 0]),
        more(&[3, 0, 3, 0, 0, 0]),
        more(&[3, 0, 4, 0, 0, 0, 0]),
        more(&[3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0]),
    ] {
        let outcome = read_from(ProxyProtocol::Any, &bytes).0.unwrap_err();
        assert_eq!(outcome.outcome(), "malformed", "{bytes:?}: {outcome}");
    }
}

#[test]
fn a_checksum_covers_every_byte() {
    let right = with_checksum();
    // Without the byte that says that it is one, it is none.
    let kind = right.len() - 7;
    for at in (START_V2..right.len()).filter(|at| *at != kind) {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        assert!(read_from(ProxyProtocol::Any, &wrong).0.is_err(), "byte {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come() {
    let edge = Edge { proxy_protocol: ProxyProtocol::Any, ..Edge::default() };
    let via = Via::new(edge.into(), None);
    let gate = crate::gate::Gate::new("a".parse().unwrap());
    let mut origin = Origin { gate, local: "unix:s".to_owned(), client: None, tls: None, via };
    let (mut ours, mut theirs) = duplex(100);
    ours.write_all(b"PROXY TCP4 192.0.2.1 ").await.unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(1);
    assert_eq!(arrive(&mut theirs, &mut origin, deadline).await, Err(Bad::Timeout));
}

proptest! {
    /// Whatever comes is understood or refused, and no more is read than may be.
    #[test]
    fn nothing_is_read_that_does_not_belong_to_it(text in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let start: &[u8] = if text { b"PROXY TCP4 1" } else { V2 };
        let bytes = [start, &rest].concat();
        let (said, left) = read_from(ProxyProtocol::Any, &bytes);
        let taken = bytes.len() - left.len();
        let most = if text { MAX_V1 } else { MAX_V2 };
        prop_assert!(taken <= most);
        if said.is_ok() && text {
            prop_assert!(bytes[..taken].ends_with(b"\r\n"));
        }
    }
}
