//! Frames that somebody decides on.

use super::*;
use crate::compression::{Compression, Deflate};
use FramingError as E;
use socklet_core::{Frame, Opcode};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// "Hello" again, by reference to the message before.
const AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

fn decoder(takeover: bool) -> Decoder {
    let Compression { level, server_max_window_bits, .. } = Compression::default();
    let deflate = Deflate {
        server_no_context_takeover: false,
        client_no_context_takeover: !takeover,
        server_max_window_bits,
        level,
        threshold: 1,
    };
    Decoder::new(LIMITS).with_compression(&deflate, 100).with_frames()
}

/// Feeds pieces and has every frame processed, but for those with these numbers, which are skipped. Every frame, every event, and
/// how it ended.
fn run<'a>(
    mut decoder: Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    skipped: &[usize],
) -> (Vec<Frame>, Vec<Inbound>, Result<(), FramingError>) {
    let (mut buf, mut frames, mut events) = (BytesMut::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let frame = match decoder.decode(&mut buf) {
                Ok(Some(Inbound::Frame(frame))) => frame,
                Ok(Some(event)) => panic!("{event:?} was not decided on"),
                Ok(None) => break,
                Err(error) => return (frames, events, Err(error)),
            };
            let skip = skipped.contains(&frames.len());
            frames.push(frame.clone());
            let outcome = if skip { decoder.skip(frame).map(|()| None) } else { decoder.process(frame) };
            match outcome {
                Ok(event) => events.extend(event),
                Err(error) => return (frames, events, Err(error)),
            }
        }
    }
    (frames, events, Ok(()))
}

fn plain() -> Vec<u8> {
    let long = vec![b'x'; 50_000];
    [
        frame(0x01, b"He"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, b"llo"),
        frame(0x82, &long),
        frame(0x8a, b"pong"),
        frame(0x81, b""),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x81, b"too late"),
    ]
    .concat()
}

#[test]
fn every_frame_is_handed_out_and_processed_to_the_same() {
    let stream = plain();
    let (usual, outcome) = decode(LIMITS, [&stream[..]]);
    for size in [1, 2, 7, 100, 4096, stream.len()] {
        let (frames, events, same) = run(Decoder::new(LIMITS).with_frames(), stream.chunks(size), &[]);
        assert_eq!((&events, same), (&usual, outcome), "{size}");
        let heads: Vec<_> = frames.iter().map(|frame| (frame.opcode, frame.fin, frame.payload.len())).collect();
        let expected = [
            (Opcode::Text, false, 2),
            (Opcode::Ping, true, 4),
            (Opcode::Continuation, false, 0),
            (Opcode::Continuation, true, 3),
            (Opcode::Binary, true, 50_000),
            (Opcode::Pong, true, 4),
            (Opcode::Text, true, 0),
            (Opcode::Close, true, 5),
        ];
        assert_eq!(heads, expected, "{size}");
        assert_eq!((&frames[0].payload[..], &frames[1].payload[..]), (&b"He"[..], &b"ping"[..]));
    }
}

#[test]
fn skipped_frames() {
    let three = [frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c"), frame(0x82, b"next")].concat();
    let next = binary(b"next");
    for (skipped, expected) in [
        (&[][..], vec![text("abc"), next.clone()]),
        (&[0], vec![text("bc"), next.clone()]),
        (&[1], vec![text("ac"), next.clone()]),
        (&[0, 1], vec![text("c"), next.clone()]),
        (&[2], vec![next.clone()]),
        (&[0, 1, 2], vec![next.clone()]),
        (&[3], vec![text("abc")]),
    ] {
        for size in [1, three.len()] {
            let (frames, events, outcome) = run(Decoder::new(LIMITS).with_frames(), three.chunks(size), skipped);
            assert_eq!((frames.len(), events, outcome), (4, expected.clone(), Ok(())), "{skipped:?}");
        }
    }
    let (_, events, outcome) = run(Decoder::new(LIMITS).with_frames(), [&plain()[..]], &[1, 5]);
    assert_eq!((events.len(), outcome), (4, Ok(())), "pings and pongs");
    let closed = [frame(0x88, b""), frame(0x81, b"too late")].concat();
    assert_eq!(run(Decoder::new(LIMITS).with_frames(), [&closed[..]], &[0]).1, [], "a close frame");
}

#[test]
fn what_was_skipped_was_on_the_wire() {
    for (name, stream, skipped, expected) in [
        ("a continuation of nothing", [frame(0x81, b"a"), frame(0x80, b"b")].concat(), 0, E::UnexpectedContinuation),
        ("a message inside another", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 0, E::ExpectedContinuation),
        ("too many fragments", [frame(0x01, b"a"), frame(0x00, b"").repeat(8)].concat(), 3, E::TooManyFragments),
        ("text with half a character", [frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat(), 0, E::NotUtf8),
    ] {
        let (_, events, outcome) = run(Decoder::new(LIMITS).with_frames(), [&stream[..]], &[skipped]);
        assert_eq!((events, outcome), (vec![], Err(expected)), "{name}");
    }
    let halves = [frame(0x02, &[0; 60_000]), frame(0x00, &[0; 60_000]), frame(0x80, b"")].concat();
    assert_eq!(run(Decoder::new(LIMITS).with_frames(), [&halves[..]], &[]).2, Err(E::MessageTooBig));
    let left = run(Decoder::new(LIMITS).with_frames(), [&halves[..]], &[0]);
    assert_eq!((left.1, left.2), (vec![binary(&[0; 60_000])], Ok(())), "what is left out does not count");
}

#[test]
fn a_frame_is_handed_out_once_its_own_rules_are_kept() {
    for (stream, expected) in [
        (frame(0x88, b"\x03"), E::CloseLength),
        (frame(0x88, b"\x03\xed"), E::CloseCode),
        (frame(0x88, b"\x03\xe8\xff"), E::CloseNotUtf8),
        (frame(0x80, b"a"), E::UnexpectedContinuation),
        (frame(0xc0, b"a"), E::ReservedBits),
    ] {
        assert_eq!(run(decoder(true), [&stream[..]], &[]), (vec![], vec![], Err(expected)));
    }
    let (frames, events, outcome) = run(Decoder::new(LIMITS).with_frames(), [&frame(0x81, b"\xff")[..]], &[]);
    assert_eq!((frames.len(), events, outcome), (1, vec![], Err(E::NotUtf8)), "text is the message's");
}

#[test]
fn compressed_frames_are_handed_out_as_they_are() {
    let stream = [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..]), frame(0xc2, &AGAIN)].concat();
    for size in [1, 5, stream.len()] {
        let (frames, events, outcome) = run(decoder(true), stream.chunks(size), &[]);
        assert_eq!((events, outcome), (vec![text("Hello"), binary(b"Hello")], Ok(())));
        let payloads: Vec<_> = frames.iter().map(|frame| &frame.payload[..]).collect();
        assert_eq!(payloads, [&HELLO[..3], &HELLO[3..], &AGAIN]);
    }
}

#[test]
fn a_compressed_message_is_dropped_as_a_whole_and_remembered() {
    let stream = [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..]), frame(0xc2, &AGAIN)].concat();
    for (skipped, expected) in [
        (&[0][..], vec![binary(b"Hello")]),
        (&[1], vec![binary(b"Hello")]),
        (&[0, 1], vec![binary(b"Hello")]),
        (&[2], vec![text("Hello")]),
    ] {
        let (_, events, outcome) = run(decoder(true), [&stream[..]], skipped);
        assert_eq!((events, outcome), (expected, Ok(())), "{skipped:?}");
    }
    let broken = [frame(0xc1, &[0x06]), frame(0xc1, &HELLO)].concat();
    assert_eq!(run(decoder(true), [&broken[..]], &[0]).2, Err(E::NotDeflate), "nobody could follow");
}

#[test]
fn a_compressed_message_alone_is_dropped_without_a_look() {
    let stream = [frame(0x41, &[0x06]), frame(0x80, &[0x06]), frame(0xc2, &HELLO)].concat();
    let (_, events, outcome) = run(decoder(false), [&stream[..]], &[0]);
    assert_eq!((events, outcome), (vec![binary(b"Hello")], Ok(())));
    let late = [frame(0x41, &HELLO[..3]), frame(0x80, &[0x06]), frame(0xc2, &HELLO)].concat();
    let (_, events, outcome) = run(decoder(false), [&late[..]], &[1]);
    assert_eq!((events, outcome), (vec![binary(b"Hello")], Ok(())));
}

#[test]
fn a_large_frame_is_not_copied_where_it_came_at_once() {
    let mut buf = BytesMut::with_capacity(70_000);
    buf.extend_from_slice(&frame(0x82, &[7; 50_000]));
    let memory = buf.as_ptr_range();
    let mut decoder = Decoder::new(LIMITS).with_frames();
    let Ok(Some(Inbound::Frame(frame))) = decoder.decode(&mut buf) else { panic!("no frame") };
    assert!(memory.contains(&frame.payload.as_ptr()));
    let Ok(Some(Inbound::Message(message))) = decoder.process(frame) else { panic!("no message") };
    assert!(memory.contains(&message.as_bytes().as_ptr()));
}
