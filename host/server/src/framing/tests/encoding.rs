//! What the server sends, RFC 6455 sections 5.2 and 5.5.1.

use super::super::EncodedFrame;
use super::*;
use socklet_core::Opcode;

#[test]
fn headers() {
    for (opcode, fin, len, expected) in [
        (Opcode::Text, true, 0, &b"\x81\x00"[..]),
        (Opcode::Text, false, 5, b"\x01\x05"),
        (Opcode::Continuation, false, 0, b"\x00\x00"),
        (Opcode::Continuation, true, 1, b"\x80\x01"),
        (Opcode::Binary, true, 125, b"\x82\x7d"),
        (Opcode::Binary, true, 126, b"\x82\x7e\x00\x7e"),
        (Opcode::Binary, true, 65_535, b"\x82\x7e\xff\xff"),
        (Opcode::Binary, true, 65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (Opcode::Close, true, 2, b"\x88\x02"),
        (Opcode::Ping, true, 125, b"\x89\x7d"),
        (Opcode::Pong, true, 0, b"\x8a\x00"),
    ] {
        let payload = Bytes::from(vec![7; len]);
        let frame = EncodedFrame::frame(opcode, fin, payload.clone());
        assert_eq!(frame.header(), expected, "{opcode:?} {len}");
        assert_eq!(frame.payload(), &payload);
        assert_eq!(frame.len(), expected.len() + payload.len());
    }
}

#[test]
fn a_message_is_one_frame_whose_clones_share_the_payload() {
    let message = Message::Text("Hello".into());
    let frame = EncodedFrame::message(message.as_ref());
    assert_eq!(frame.header(), b"\x81\x05");
    assert_eq!(frame.payload(), message.as_bytes());
    assert_eq!(frame.clone().payload().as_ptr(), frame.payload().as_ptr());
    assert_eq!(EncodedFrame::message(Message::Binary(Bytes::new()).as_ref()).header(), b"\x82\x00");
}

#[test]
fn close_frames() {
    let frame = |code, reason: &'static str| CloseFrame::from_application(code, reason).unwrap();
    let longest = "r".repeat(123);
    for (frame, expected) in [
        (frame(1000, ""), b"\x88\x02\x03\xe8".to_vec()),
        (frame(4999, "bye"), b"\x88\x05\x13\x87bye".to_vec()),
        (
            CloseFrame::from_application(1012, longest.as_str()).unwrap(),
            [b"\x88\x7d\x03\xf4", longest.as_bytes()].concat(),
        ),
        (CloseFrame::no_status(), b"\x88\x00".to_vec()),
        (CloseFrame::abnormal(), b"\x88\x00".to_vec()),
    ] {
        let encoded = EncodedFrame::close(&frame);
        assert_eq!([encoded.header(), encoded.payload()].concat(), expected, "{frame:?}");
    }
}
