//! Compressed messages: the examples of RFC 7692, what breaks its rules, bombs, and cuts at any place.

use super::*;
use crate::compression::{Deflate, Deflater, Level, WindowBits};
use FramingError as E;

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn deflate(takeover: bool) -> Deflate {
    Deflate {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        level: Level::new(6).unwrap(),
        threshold: 1,
    }
}

fn decoder(limits: FrameLimits, takeover: bool) -> Decoder {
    Decoder::new(limits).with_compression(&deflate(takeover), 100)
}

/// What a client sends for these messages, each in one frame: what does not become smaller goes as it is.
fn compress(takeover: bool, messages: &[&[u8]]) -> Vec<u8> {
    let mut deflater = Deflater::new(deflate(takeover));
    let frames = messages.iter().map(|message| match deflater.compress(message, None) {
        Some(compressed) => frame(0xc2, &compressed),
        None => frame(0x82, message),
    });
    frames.collect::<Vec<_>>().concat()
}

/// The same whole, cut at any place, byte by byte, and in small pieces; what came of it.
fn everywhere(limits: FrameLimits, takeover: bool, stream: &[u8]) -> (Vec<Inbound>, Result<(), FramingError>) {
    let whole = decode_with(decoder(limits, takeover), [stream]);
    for cut in 0..=stream.len().min(300) {
        assert_eq!(decode_with(decoder(limits, takeover), [&stream[..cut], &stream[cut..]]), whole, "{cut}");
    }
    for size in [1, 2, 3, 5, 7, 64, 1000, 4096] {
        assert_eq!(decode_with(decoder(limits, takeover), stream.chunks(size)), whole, "{size}");
    }
    whole
}

/// Bytes that do not become smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[test]
fn the_examples_of_section_7_2_3() {
    for (name, stream, expected) in [
        ("7.2.3.1, one frame", frame(0xc1, &HELLO), vec![text("Hello")]),
        ("7.2.3.1, two frames", [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..])].concat(), vec![text("Hello")]),
        (
            "7.2.3.2, the window is shared",
            [frame(0xc1, &HELLO), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat(),
            vec![text("Hello"), text("Hello")],
        ),
        (
            "7.2.3.3, a block without compression",
            frame(0xc1, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
            vec![text("Hello")],
        ),
        ("7.2.3.4, a last block", frame(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), vec![text("Hello")]),
        (
            "7.2.3.5, two blocks",
            frame(0xc1, &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
            vec![text("Hello")],
        ),
        ("7.2.3.6, nothing", frame(0xc1, &[0x00]), vec![text("")]),
    ] {
        assert_eq!(everywhere(LIMITS, true, &stream), (expected, Ok(())), "{name}");
    }
}

#[test]
fn legal_streams() {
    let long = "some text that repeats, ".repeat(2500);
    for (name, takeover, stream, expected) in [
        (
            "as it is among compressed",
            true,
            [frame(0xc1, &HELLO), frame(0x81, b"plain"), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat(),
            vec![text("Hello"), text("plain"), text("Hello")],
        ),
        (
            "each alone",
            false,
            [frame(0xc1, &HELLO), frame(0xc2, &HELLO)].concat(),
            vec![text("Hello"), binary(b"Hello")],
        ),
        (
            "control frames and empty fragments",
            true,
            [
                frame(0x41, b""),
                frame(0x89, b"p"),
                frame(0x00, &HELLO[..1]),
                frame(0x00, b""),
                frame(0x8a, b""),
                frame(0x00, &HELLO[1..]),
                frame(0x80, b""),
            ]
            .concat(),
            vec![ping(b"p"), pong(b""), text("Hello")],
        ),
        (
            "a stream that ends, and a new one",
            true,
            [
                frame(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
                frame(0xc1, &HELLO),
                frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            ]
            .concat(),
            vec![text("Hello"), text("Hello"), text("Hello")],
        ),
        (
            "a stream that ends with the message",
            true,
            [frame(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), frame(0xc1, &HELLO)].concat(),
            vec![text("Hello"), text("Hello")],
        ),
        (
            "nothing at all for an empty message",
            true,
            [frame(0xc1, &HELLO), frame(0xc1, b""), frame(0xc1, &HELLO)].concat(),
            vec![text("Hello"), text(""), text("Hello")],
        ),
        ("a long one", true, compress(true, &[long.as_bytes()]), vec![binary(long.as_bytes())]),
    ] {
        assert_eq!(everywhere(LIMITS, takeover, &stream), (expected, Ok(())), "{name}");
    }
}

#[test]
fn broken_rules() {
    for (name, stream, expected) in [
        ("rsv1 on a continuation", [frame(0x41, &HELLO[..3]), frame(0xc0, &HELLO[3..])].concat(), E::ReservedBits),
        ("rsv1 on a continuation of nothing", frame(0xc0, &HELLO), E::ReservedBits),
        ("rsv1 on a ping", frame(0xc9, b""), E::ReservedBits),
        ("rsv1 on a close frame", frame(0xc8, b""), E::ReservedBits),
        ("rsv1 on a reserved opcode", frame(0xc3, b""), E::ReservedBits),
        ("rsv2 with rsv1", frame(0xe1, &HELLO), E::ReservedBits),
        ("rsv3", frame(0x91, b"Hello"), E::ReservedBits),
        ("a message inside another", [frame(0x41, &HELLO[..3]), frame(0xc1, &HELLO)].concat(), E::ExpectedContinuation),
        ("no such block", frame(0xc1, &[0x06]), E::NotDeflate),
        ("no such block, later", frame(0xc1, &[&HELLO[..6], &[0x18]].concat()), E::NotDeflate),
        ("a length that is not its complement", frame(0xc2, &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48]), E::NotDeflate),
        ("further back than there is", frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]), E::NotDeflate),
        ("text", frame(0xc1, b"Hello, this is not compressed"), E::NotDeflate),
        ("cut in a block without compression", frame(0xc2, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48]), E::NotDeflate),
        ("text that is not UTF-8", frame(0xc1, &[0x00, 0x02, 0x00, 0xfd, 0xff, 0x61, 0xff, 0x00]), E::NotUtf8),
        ("text that ends in a character", frame(0xc1, &[0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00]), E::NotUtf8),
    ] {
        assert_eq!(everywhere(LIMITS, true, &stream), (vec![], Err(expected)), "{name}");
        assert_eq!(everywhere(LIMITS, false, &stream), (vec![], Err(expected)), "{name}, each alone");
    }
    let twice = [frame(0xc1, &HELLO), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    assert_eq!(everywhere(LIMITS, false, &twice), (vec![text("Hello")], Err(E::NotDeflate)), "alone and not alone");
    assert_eq!(decode(LIMITS, [&frame(0xc1, &HELLO)[..]]), (vec![], Err(E::ReservedBits)), "not agreed on");
}

#[test]
fn compressed_text_is_checked_while_it_is_inflated() {
    let (mut decoder, mut buf) = (decoder(LIMITS, true), BytesMut::new());
    let stream = frame(0xc1, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0xff, 0x6c, 0x6c, 0x6f, 0x00]);
    buf.extend_from_slice(&stream[..6 + 6]);
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    buf.extend_from_slice(&stream[6 + 6..6 + 7]);
    assert_eq!(decoder.decode(&mut buf), Err(E::NotUtf8));
}

#[test]
fn a_bomb_goes_off_at_the_limit() {
    let limits = FrameLimits { max_frame: 2 << 20, max_message: 1 << 20, max_fragments: 8 };
    let zeros = vec![0; 200 << 20];
    let bomb = compress(false, &[&zeros]);
    assert!(bomb.len() < 300_000);
    // The ratio is 1,000: what a fifth of the limit is worth on the wire arrives before the first byte too many.
    let (mut decoder, mut buf, mut fed) = (decoder(limits, false), BytesMut::new(), 0);
    let outcome = loop {
        buf.extend_from_slice(&bomb[fed..fed + 64]);
        fed += 64;
        if let Err(error) = decoder.decode(&mut buf) {
            break error;
        }
    };
    assert_eq!(outcome, E::MessageTooBig);
    assert!(fed < 1500, "{fed}");
    let tight = Decoder::new(limits).with_compression(&deflate(false), 2);
    let small = compress(false, &[&zeros[..100_000]]);
    assert_eq!(decode_with(tight, [&small[..]]), (vec![], Err(E::InflatedTooFar)));
}

#[test]
fn the_limits_hold_for_what_is_inflated_to_the_byte() {
    let limits = FrameLimits { max_frame: 5000, max_message: 5000, max_fragments: 3 };
    let zeros = [0; 5001];
    assert_eq!(everywhere(limits, true, &compress(true, &[&zeros[..5000]])), (vec![binary(&zeros[..5000])], Ok(())));
    assert_eq!(everywhere(limits, true, &compress(true, &[&zeros])), (vec![], Err(E::MessageTooBig)));
    let in_two = |len: usize| {
        let whole = compress(true, &[&zeros[..len]]);
        let body: Vec<_> = whole[6..].iter().enumerate().map(|(i, byte)| byte ^ MASK[i % 4]).collect();
        [frame(0x42, &body[..5]), frame(0x80, &body[5..])].concat()
    };
    assert_eq!(everywhere(limits, true, &in_two(5000)), (vec![binary(&zeros[..5000])], Ok(())));
    assert_eq!(everywhere(limits, true, &in_two(5001)), (vec![], Err(E::MessageTooBig)));
    let none = FrameLimits { max_frame: 0, max_message: 0, max_fragments: 0 };
    assert_eq!(everywhere(none, true, &frame(0xc1, &[0x00])), (vec![text("")], Ok(())));
    assert_eq!(everywhere(none, true, &frame(0xc1, &HELLO)), (vec![], Err(E::MessageTooBig)));
}

#[test]
fn what_does_not_get_smaller_may_get_a_little_larger() {
    let limits = FrameLimits { max_frame: 5000, max_message: 5000, max_fragments: 40 };
    let noise = noise(5000);
    // Blocks without compression, as a compressor with little memory makes them.
    let blocks: Vec<u8> = noise
        .chunks(127)
        .flat_map(|block| [&[0, 127.min(block.len()) as u8, 0, !(block.len() as u8), 0xff], block].concat())
        .chain([0])
        .collect();
    assert_eq!(blocks.len(), 5201);
    assert_eq!(everywhere(limits, true, &frame(0xc2, &blocks)), (vec![binary(&noise)], Ok(())));
    let flushes = [0, 0, 0, 0xff, 0xff].repeat(1000);
    let stream = [frame(0x42, &flushes), frame(0x00, &flushes)].concat();
    assert_eq!(everywhere(limits, true, &stream), (vec![], Err(E::MessageTooBig)), "nothing, at length");
    let stream = frame(0x42, &vec![0; 5377]);
    assert_eq!(decode_with(decoder(limits, true), [&stream[..8]]), (vec![], Err(E::FrameTooBig)), "from the header");
}

#[test]
fn a_ratio_only_counts_above_64_kib_and_by_whole_frames() {
    let limits = FrameLimits { max_frame: 1 << 20, max_message: 1 << 20, max_fragments: 8 };
    let zeros = vec![0; 1 << 20];
    let ratio = |max, len: usize| {
        let decoder = || Decoder::new(limits).with_compression(&deflate(true), max);
        let stream = compress(true, &[&zeros[..len]]);
        let whole = decode_with(decoder(), [&stream[..]]);
        for size in [1, 10, 100] {
            assert_eq!(decode_with(decoder(), stream.chunks(size)), whole);
        }
        whole.1
    };
    assert_eq!(ratio(1, 64 * 1024), Ok(()));
    assert_eq!(ratio(1, 64 * 1024 + 1), Err(E::InflatedTooFar));
    assert_eq!(ratio(100, 128 * 1024), Err(E::InflatedTooFar));
    assert_eq!(ratio(1100, 1 << 20), Ok(()));
}

#[test]
fn an_inflater_is_there_when_it_is_needed() {
    let memory = |takeover| {
        let (mut decoder, mut buf, mut memory) = (decoder(LIMITS, takeover), BytesMut::new(), Vec::new());
        for stream in
            [&frame(0x81, b"plain")[..], &frame(0xc1, &HELLO)[..8], &frame(0xc1, &HELLO)[8..], &frame(0x88, b"")]
        {
            buf.extend_from_slice(stream);
            while decoder.decode(&mut buf).unwrap().is_some() {}
            memory.push(decoder.inflater_memory() > 0);
        }
        memory
    };
    assert_eq!(memory(false), [false, true, false, false]);
    assert_eq!(memory(true), [false, true, true, false]);
}

#[test]
fn garbage_gets_the_same_verdict_however_it_is_cut() {
    let limits = FrameLimits { max_frame: 70_000, max_message: 3000, max_fragments: 8 };
    let some = noise(100);
    let good = compress(true, &[b"some text, some more text, and some text again: ", &[7; 300], &some]);
    let noise = noise(4000);
    let mut kinds = std::collections::BTreeSet::new();
    for (case, damage) in noise.chunks(4).enumerate() {
        let mut stream = match case % 4 {
            0 => good.clone(),
            1 => frame(0xc1, &noise[case..case + 40]),
            2 => [frame(0x42, &noise[case..case + 20]), frame(0x80, &noise[case + 20..case + 50])].concat(),
            // Codes that are fixed by the standard: most of it means something.
            _ => frame(0xc1 + (case / 4 % 2) as u8, &[&[noise[case] & 0xf8 | 2], &noise[case..case + 60]].concat()),
        };
        for pair in damage.chunks(2) {
            let at = 6 + usize::from(pair[0]) % (stream.len() - 6);
            stream[at] ^= pair[1];
        }
        let whole = decode_with(decoder(limits, true), [&stream[..]]);
        for size in [1, 3, 10, 33] {
            assert_eq!(decode_with(decoder(limits, true), stream.chunks(size)), whole, "case {case}, {size}");
        }
        kinds.extend(whole.1.map_err(E::kind).err());
    }
    assert!(kinds.contains("not-deflate") && kinds.contains("not-utf8"), "{kinds:?}");
}
