//! Every rule of RFC 6455 section 5 as a row.

use super::*;
use socklet_core::CloseReason;

#[test]
fn legal_streams() {
    let long = "é".repeat(40_000);
    for (name, stream, expected) in [
        ("the examples of section 5.7", vec![frame(0x81, b"Hello")], vec![text("Hello")]),
        ("empty messages", vec![frame(0x81, b""), frame(0x82, b"")], vec![text(""), binary(b"")]),
        ("fragments", vec![frame(0x01, b"Hel"), frame(0x80, b"lo")], vec![text("Hello")]),
        (
            "empty fragments",
            vec![frame(0x02, b""), frame(0x00, b""), frame(0x00, b"a"), frame(0x80, b"")],
            vec![binary(b"a")],
        ),
        (
            "control frames between fragments",
            vec![frame(0x01, b"a"), frame(0x89, b"p"), frame(0x00, b"b"), frame(0x8a, b""), frame(0x80, b"c")],
            vec![ping(b"p"), pong(b""), text("abc")],
        ),
        (
            "a character over three fragments",
            vec![frame(0x01, b"\xf0\x9f"), frame(0x00, b"\x98"), frame(0x80, b"\x80!")],
            vec![text("😀!")],
        ),
        ("the longest control frame", vec![frame(0x89, &[7; 125])], vec![ping(&[7; 125])]),
        ("a length of 126", vec![frame(0x82, &[1; 126])], vec![binary(&[1; 126])]),
        ("a length of 65,535", vec![frame(0x82, &[2; 65_535])], vec![binary(&[2; 65_535])]),
        ("a length of 65,536", vec![frame(0x82, &[3; 65_536])], vec![binary(&[3; 65_536])]),
        (
            "the longest message",
            vec![frame(0x01, &long.as_bytes()[..40_001]), frame(0x80, &long.as_bytes()[40_001..])],
            vec![text(&long)],
        ),
        (
            "the most fragments",
            vec![[frame(0x01, b"a"), frame(0x00, b"a").repeat(6), frame(0x80, b"a")].concat()],
            vec![text("aaaaaaaa")],
        ),
        ("an empty close frame", vec![frame(0x88, b"")], vec![Inbound::Close(None)]),
        ("a close frame", vec![frame(0x88, b"\x03\xe8bye")], vec![close(1000, "bye")]),
        ("a close frame between fragments", vec![frame(0x01, b"a"), frame(0x88, b"\x0b\xb8")], vec![close(3000, "")]),
        ("what follows a close frame is dropped", vec![frame(0x88, b""), vec![0xff; 9]], vec![Inbound::Close(None)]),
    ] {
        let stream = stream.concat();
        assert_eq!(decode(LIMITS, [&stream[..]]), (expected, Ok(())), "{name}");
    }
}

#[test]
fn broken_rules() {
    use FramingError as E;
    let header = |first: u8, second: u8, extended: &[u8]| [&[first, second], extended].concat();
    for (name, stream, expected) in [
        ("no mask", header(0x81, 0x05, b""), E::Unmasked),
        ("no mask, before anything else", header(0x7f, 0x7f, b""), E::Unmasked),
        ("rsv1", header(0xc1, 0x80, b""), E::ReservedBits),
        ("rsv2", header(0xa2, 0x80, b""), E::ReservedBits),
        ("rsv3", header(0x99, 0x80, b""), E::ReservedBits),
        ("rsv before opcode", header(0xf3, 0x80, b""), E::ReservedBits),
        ("opcode 3", header(0x83, 0x80, b""), E::ReservedOpcode),
        ("opcode 7", header(0x07, 0x80, b""), E::ReservedOpcode),
        ("opcode 11", header(0x8b, 0x80, b""), E::ReservedOpcode),
        ("opcode 15", header(0x0f, 0xff, b""), E::ReservedOpcode),
        ("a ping in fragments", header(0x09, 0x80, b""), E::FragmentedControl),
        ("a pong in fragments", header(0x0a, 0x80, b""), E::FragmentedControl),
        ("a close frame in fragments", header(0x08, 0x80, b""), E::FragmentedControl),
        ("a ping of 126 bytes", header(0x89, 0xfe, b""), E::LongControl),
        ("a pong of 64 bits", header(0x8a, 0xff, b""), E::LongControl),
        ("a close frame of 126 bytes", header(0x88, 0xfe, b""), E::LongControl),
        ("0 in 16 bits", header(0x82, 0xfe, b"\0\0mask"), E::LengthNotMinimal),
        ("125 in 16 bits", header(0x82, 0xfe, b"\0\x7dmask"), E::LengthNotMinimal),
        ("65,535 in 64 bits", header(0x82, 0xff, b"\0\0\0\0\0\0\xff\xffmask"), E::LengthNotMinimal),
        ("2^63", header(0x82, 0xff, b"\x80\0\0\0\0\0\0\0mask"), E::LengthOutOfRange),
        ("2^64 - 1", header(0x82, 0xff, b"\xff\xff\xff\xff\xff\xff\xff\xffmask"), E::LengthOutOfRange),
        ("2^63 - 1", header(0x82, 0xff, b"\x7f\xff\xff\xff\xff\xff\xff\xffmask"), E::FrameTooBig),
        ("a frame over the limit", header(0x82, 0xff, b"\0\0\0\0\0\x01\x11\x71mask"), E::FrameTooBig),
        ("a continuation of nothing", frame(0x80, b""), E::UnexpectedContinuation),
        ("a first fragment of nothing", frame(0x00, b"a"), E::UnexpectedContinuation),
        ("text inside text", [frame(0x01, b""), frame(0x81, b"")].concat(), E::ExpectedContinuation),
        ("binary inside text", [frame(0x01, b""), frame(0x02, b"")].concat(), E::ExpectedContinuation),
        (
            "fragments over the limit",
            [frame(0x02, &[0; 50_000]), frame(0x00, &[0; 50_000]), header(0x80, 0x81, b"mask")].concat(),
            E::MessageTooBig,
        ),
        (
            "a character that has begun counts",
            [frame(0x01, &[b'a'; 50_000]), frame(0x00, &[&[b'a'; 49_999][..], b"\xc3"].concat()), frame(0x80, b"\xa9")]
                .concat(),
            E::MessageTooBig,
        ),
        ("too many fragments", [frame(0x01, b""), frame(0x00, b"").repeat(8)].concat(), E::TooManyFragments),
        ("text that is not UTF-8", frame(0x81, b"a\xffb"), E::NotUtf8),
        ("text that ends in a character", frame(0x81, b"\xe2\x82"), E::NotUtf8),
        ("long text that is not UTF-8", frame(0x81, &[0x80; 5000]), E::NotUtf8),
        ("fragments that end in a character", [frame(0x01, b"a"), frame(0x80, b"\xc3")].concat(), E::NotUtf8),
        ("a fragment that is not UTF-8", [frame(0x01, b"\xce\xba"), frame(0x00, b"\xed\xa0")].concat(), E::NotUtf8),
        ("a close frame of one byte", frame(0x88, b"\x03"), E::CloseLength),
        ("a close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), E::CloseNotUtf8),
        ("a close reason that ends in a character", frame(0x88, b"\x03\xe8\xc3"), E::CloseNotUtf8),
    ] {
        let (events, outcome) = decode(LIMITS, [&stream[..]]);
        assert_eq!(outcome, Err(expected), "{name}");
        assert!(events.is_empty(), "{name}: {events:?}");
        assert_eq!(decode(LIMITS, stream.chunks(1)), (events, outcome), "{name}, byte by byte");
    }
}

#[test]
fn a_message_ends_with_its_last_fragment() {
    let stream = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(decode(LIMITS, [&stream[..]]), (vec![text("ab")], Err(FramingError::UnexpectedContinuation)));
    let stream = [frame(0x81, b"a"), frame(0x80, b"b")].concat();
    assert_eq!(decode(LIMITS, [&stream[..]]), (vec![text("a")], Err(FramingError::UnexpectedContinuation)));
}

#[test]
fn close_codes() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        assert_eq!(decode(LIMITS, [&frame(0x88, &u16::to_be_bytes(code))[..]]), (vec![close(code, "")], Ok(())));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let (events, outcome) = decode(LIMITS, [&frame(0x88, &u16::to_be_bytes(code))[..]]);
        assert_eq!((events, outcome), (vec![], Err(FramingError::CloseCode)), "{code}");
    }
}

#[test]
fn text_fails_before_its_frame_is_complete() {
    let (mut decoder, mut buf) = (Decoder::new(LIMITS), BytesMut::new());
    let stream = frame(0x81, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64");
    buf.extend_from_slice(&stream[..6 + 12]);
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    buf.extend_from_slice(&stream[6 + 12..6 + 13]);
    assert_eq!(decoder.decode(&mut buf), Err(FramingError::NotUtf8));
}

#[test]
fn after_an_error_everything_is_dropped() {
    let (mut decoder, mut buf) = (Decoder::new(LIMITS), BytesMut::from(&frame(0x80, b"")[..]));
    assert_eq!(decoder.decode(&mut buf), Err(FramingError::UnexpectedContinuation));
    buf.extend_from_slice(&frame(0x81, b"a"));
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert!(buf.is_empty());
    assert!(decoder.is_idle());
}

#[test]
fn every_error_has_a_name_of_its_own_and_fits_a_close_frame() {
    use FramingError as E;
    let all = [
        (E::Unmasked, 1002),
        (E::ReservedBits, 1002),
        (E::ReservedOpcode, 1002),
        (E::FragmentedControl, 1002),
        (E::LongControl, 1002),
        (E::LengthNotMinimal, 1002),
        (E::LengthOutOfRange, 1002),
        (E::UnexpectedContinuation, 1002),
        (E::ExpectedContinuation, 1002),
        (E::CloseLength, 1002),
        (E::CloseCode, 1002),
        (E::CloseNotUtf8, 1007),
        (E::NotUtf8, 1007),
        (E::NotDeflate, 1007),
        (E::FrameTooBig, 1009),
        (E::MessageTooBig, 1009),
        (E::InflatedTooFar, 1009),
        (E::TooManyFragments, 1008),
    ];
    let mut kinds: Vec<_> = all.iter().map(|(error, _)| error.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), all.len());
    for (error, code) in all {
        let frame = CloseReason::from(error).frame();
        assert_eq!(frame.code().get(), code, "{error}");
        assert!(frame.reason().len() <= CloseFrame::MAX_REASON, "{error}");
    }
}
