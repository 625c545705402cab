//! What the tests of the framing share: a client's frames, and everything that a decoder says of them.

mod compression;
mod differential;
mod encoding;
mod frames;
mod memory;
mod rules;
mod splits;

use super::{Decoder, FrameLimits, FramingError, Inbound};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use socklet_core::{CloseCode, CloseFrame, Message};

const LIMITS: FrameLimits = FrameLimits { max_frame: 70_000, max_message: 100_000, max_fragments: 8 };

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame: `first` is the first byte of its header.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ MASK[i % 4]));
    frame
}

/// Feeds the pieces; every event, and how it ended.
fn decode<'a>(
    limits: FrameLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Inbound>, Result<(), FramingError>) {
    decode_with(Decoder::new(limits), pieces)
}

/// As [`decode`], with a decoder of some kind.
fn decode_with<'a>(
    mut decoder: Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Inbound>, Result<(), FramingError>) {
    let (mut buf, mut events) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
        assert!(buf.is_empty());
    }
    (events, Ok(()))
}

fn text(text: &str) -> Inbound {
    Inbound::Message(Message::Text(text.into()))
}

fn binary(bytes: &[u8]) -> Inbound {
    Inbound::Message(Message::Binary(Bytes::copy_from_slice(bytes)))
}

fn ping(bytes: &[u8]) -> Inbound {
    Inbound::Ping(Bytes::copy_from_slice(bytes))
}

fn pong(bytes: &[u8]) -> Inbound {
    Inbound::Pong(Bytes::copy_from_slice(bytes))
}

fn close(code: u16, reason: &'static str) -> Inbound {
    Inbound::Close(Some(CloseFrame::received(CloseCode::from_wire(code).unwrap(), ByteString::from_static(reason))))
}
