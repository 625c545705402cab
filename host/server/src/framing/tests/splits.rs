//! Where the bytes are cut makes no difference.

use super::*;

fn streams() -> Vec<Vec<u8>> {
    let long = "aé€😀".repeat(30);
    vec![
        [
            frame(0x81, long.as_bytes()),
            frame(0x89, b"heartbeat"),
            frame(0x01, "κόσ".as_bytes()),
            frame(0x8a, b""),
            frame(0x00, b""),
            frame(0x80, "με".as_bytes()),
            frame(0x82, b""),
            frame(0x02, &[0xff; 130]),
            frame(0x80, &[0xfe; 3]),
            frame(0x88, b"\x03\xe8bye"),
            frame(0x81, b"too late"),
        ]
        .concat(),
        [frame(0x81, b"ok"), frame(0x01, b"\xf0\x9f"), frame(0x00, b"\x98"), frame(0x80, b"\x28")].concat(),
        [frame(0x82, b"ok"), frame(0x01, b"a"), frame(0x89, b""), frame(0x82, b"b")].concat(),
        [frame(0x82, b"ok"), frame(0x88, b"\x03\xec")].concat(),
        [frame(0x82, b"ok"), vec![0x81, 0x80 | 126, 0, 5, 1, 2, 3, 4, 5]].concat(),
    ]
}

#[test]
fn at_any_place() {
    for stream in streams() {
        let whole = decode(LIMITS, [&stream[..]]);
        assert!(!whole.0.is_empty());
        for cut in 0..=stream.len() {
            assert_eq!(decode(LIMITS, [&stream[..cut], &stream[cut..]]), whole, "{cut}");
        }
    }
}

#[test]
fn at_any_two_places() {
    let stream = [frame(0x01, "é".as_bytes()), frame(0x89, b"p"), frame(0x80, "€".as_bytes()), frame(0x82, &[1; 126])];
    let stream = stream.concat();
    let whole = decode(LIMITS, [&stream[..]]);
    for first in 0..=40 {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(decode(LIMITS, pieces), whole, "{first} {second}");
        }
    }
}

#[test]
fn into_equal_pieces() {
    for stream in streams() {
        let whole = decode(LIMITS, [&stream[..]]);
        for size in 1..=20 {
            assert_eq!(decode(LIMITS, stream.chunks(size)), whole, "{size}");
        }
    }
}

#[test]
fn large_messages_in_pieces() {
    let body = "0123456789abcdé".repeat(4000);
    let stream = [frame(0x81, body.as_bytes()), frame(0x82, body.as_bytes())].concat();
    for size in [100, 4096, 16_384, 60_000] {
        let expected = vec![text(&body), binary(body.as_bytes())];
        assert_eq!(decode(LIMITS, stream.chunks(size)), (expected, Ok(())), "{size}");
    }
}
