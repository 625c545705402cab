//! What the fuzzers call: see `tests/fuzz`. Each takes any bytes, and panics where a promise is broken.

use crate::{
    compression::{Deflate, Deflater, Inflater, Level, WindowBits},
    framing::{Decoder, FrameLimits, FramingError, Inbound},
};
use bytes::BytesMut;

const LIMITS: FrameLimits = FrameLimits { max_frame: 3000, max_message: 5000, max_fragments: 16 };

/// The framing: a stream means the same however it is cut, keeps the limits, and nothing is heard after its end.
///
/// The first byte chooses what was agreed on, the second how the stream is cut; the rest is the stream.
pub fn framing(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let (whole, verdict) = decode(*kind, [stream].into_iter());
    let cut = decode(*kind, stream.chunks(1 + usize::from(*cut)));
    assert_eq!((&whole, &verdict), (&cut.0, &cut.1));
    for event in whole {
        match event {
            Inbound::Message(message) => assert!(message.len() <= LIMITS.max_message),
            Inbound::Ping(payload) | Inbound::Pong(payload) => assert!(payload.len() <= 125),
            Inbound::Close(Some(frame)) => assert!(frame.reason().len() <= 123),
            Inbound::Close(None) => {}
            Inbound::Frame(_) => unreachable!("they were decided on"),
        }
    }
}

/// Everything that a stream means, and how it ended.
fn decode<'a>(kind: u8, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Inbound>, Result<(), FramingError>) {
    let bit = |bit: u8| kind & (1 << bit) != 0;
    let mut decoder = Decoder::new(LIMITS);
    if bit(0) {
        decoder = decoder.with_compression(&deflate(bit(1)), 100);
    }
    if bit(2) {
        decoder = decoder.with_frames();
    }
    let (mut buf, mut events, mut frames) = (BytesMut::new(), Vec::new(), 0_u8);
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let event = match decoder.decode(&mut buf) {
                Ok(Some(Inbound::Frame(frame))) => {
                    frames = frames.wrapping_add(1);
                    if bit(3) && frames % 3 == 0 { decoder.skip(frame).map(|()| None) } else { decoder.process(frame) }
                }
                Ok(None) => break,
                other => other,
            };
            match event {
                Ok(event) => events.extend(event),
                Err(error) => {
                    buf.extend_from_slice(b"\x81\x80mask");
                    assert_eq!(decoder.decode(&mut buf), Ok(None), "nothing is heard after an error");
                    return (events, Err(error));
                }
            }
        }
        assert!(buf.is_empty());
    }
    (events, Ok(()))
}

/// Inflating: what comes out is the same however the input is cut, and never more than there is room for; what we compress can be
/// inflated.
///
/// The first byte chooses the room, the second how the input is cut; the rest is the input.
pub fn inflate(data: &[u8]) {
    let [room, cut, input @ ..] = data else { return };
    let room = 64 << (room % 12);
    let whole = inflated([input].into_iter(), room);
    let pieces = inflated(input.chunks(1 + usize::from(*cut)), room);
    assert_eq!(whole, pieces);
    assert!(whole.0.len() <= room);
    for takeover in [false, true] {
        let mut deflater = Deflater::new(deflate(takeover));
        let mut inflater = Inflater::default();
        for message in input.chunks(1 + input.len() / 3) {
            let Some(small) = deflater.compress(message, None) else { continue };
            assert!(small.len() < message.len());
            let mut out = Vec::new();
            inflater.inflate(&small, message.len(), keep(&mut out)).expect("it fits");
            inflater.finish(takeover).expect("it is whole");
            assert_eq!(out, message);
            if !takeover {
                inflater = Inflater::default();
            }
        }
    }
}

/// What comes out, and whether it ended well.
fn inflated<'a>(pieces: impl Iterator<Item = &'a [u8]>, room: usize) -> (Vec<u8>, bool) {
    let (mut inflater, mut out) = (Inflater::default(), Vec::new());
    for piece in pieces {
        let left = room - out.len();
        if inflater.inflate(piece, left, keep(&mut out)).is_err() {
            return (out, false);
        }
    }
    let whole = inflater.finish(false).is_ok();
    (out, whole)
}

/// Takes everything that is inflated.
fn keep(out: &mut Vec<u8>) -> impl FnMut(&[u8]) -> Result<(), ()> {
    |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    }
}

fn deflate(takeover: bool) -> Deflate {
    Deflate {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MIN,
        level: Level::new(1).expect("a level"),
        threshold: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds").join(target);
        let seeds: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect();
        assert!(seeds.len() > 4, "{target}");
        seeds
    }

    #[test]
    fn the_seeds_of_the_framing() {
        seeds("framing").iter().for_each(|seed| framing(seed));
    }

    #[test]
    fn the_seeds_of_inflate() {
        seeds("inflate").iter().for_each(|seed| inflate(seed));
    }
}
