//! What a decoder holds on to, and what it says of itself.

use super::*;

#[test]
fn idle_between_messages_only() {
    let (mut decoder, mut buf) = (Decoder::new(LIMITS), BytesMut::new());
    assert!(decoder.is_idle());
    let stream = [frame(0x01, b"ab"), frame(0x80, b"cd")].concat();
    for (index, byte) in stream.iter().enumerate() {
        buf.extend_from_slice(&[*byte]);
        let event = decoder.decode(&mut buf).unwrap();
        let last = index + 1 == stream.len();
        assert_eq!((event.is_some(), decoder.is_idle()), (last, last), "{index}");
        assert!(buf.is_empty());
    }
}

#[test]
fn an_announced_size_costs_nothing() {
    let limits = FrameLimits { max_frame: usize::MAX, max_message: usize::MAX, max_fragments: 1 };
    let (mut decoder, mut buf) = (Decoder::new(limits), BytesMut::new());
    buf.extend_from_slice(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmaskabc");
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert!(!decoder.is_idle());
}

#[test]
fn a_limit_is_met_before_the_payload_is_there() {
    for (limits, stream, expected) in [
        (FrameLimits { max_frame: 10, ..LIMITS }, frame(0x82, &[0; 11]), FramingError::FrameTooBig),
        (FrameLimits { max_message: 10, ..LIMITS }, frame(0x82, &[0; 11]), FramingError::MessageTooBig),
        (FrameLimits { max_message: 0, ..LIMITS }, frame(0x81, b"a"), FramingError::MessageTooBig),
    ] {
        assert_eq!(decode(limits, [&stream[..6]]), (vec![], Err(expected)), "{limits:?}");
    }
    let none = FrameLimits { max_frame: 0, max_message: 0, max_fragments: 0 };
    assert_eq!(decode(none, [&frame(0x81, b"")[..]]), (vec![text("")], Ok(())));
    assert_eq!(decode(none, [&frame(0x89, b"free")[..]]), (vec![ping(b"free")], Ok(())));
}

#[test]
fn small_payloads_leave_the_read_buffer_alone_and_large_ones_share_it() {
    for (len, shares) in [(10, false), (32_767, false), (32_768, true), (60_000, true)] {
        for first in [0x81, 0x82] {
            let mut buf = BytesMut::with_capacity(70_000);
            buf.extend_from_slice(&frame(first, &vec![b'x'; len]));
            let memory = buf.as_ptr_range();
            let Ok(Some(Inbound::Message(message))) = Decoder::new(LIMITS).decode(&mut buf) else {
                panic!("no message")
            };
            assert_eq!(memory.contains(&message.as_bytes().as_ptr()), shares, "{len}");
        }
    }
}

#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 184, "{}", size_of::<Decoder>());
}
