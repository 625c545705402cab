//! Random streams, legal and damaged, against tungstenite: the same events, and the same verdict.

use super::*;
use std::io::{self, Cursor, Read, Write};
use tokio_tungstenite::tungstenite::{
    self, WebSocket,
    error::{Error, ProtocolError},
    protocol::{Role, WebSocketConfig},
};

const LIMITS: FrameLimits = FrameLimits { max_frame: 3000, max_message: 5000, max_fragments: usize::MAX };

/// xorshift64*: the same cases on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, chars: usize) -> String {
        (0..chars).map(|_| ['a', ' ', 'é', '€', '😀', '\0', '\u{d7ff}'][self.below(7)]).collect()
    }

    fn len(&mut self) -> usize {
        match self.below(8) {
            0 => 0,
            1 => 120 + self.below(10),
            2 => self.below(600),
            _ => self.below(30),
        }
    }
}

/// A legal stream of one to six messages in fragments, with control frames among them, and maybe a close frame at the
/// end.
fn legal(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=random.below(6) {
        let len = random.len();
        let (mut opcode, payload) =
            if random.one_in(2) { (1, random.text(len).into_bytes()) } else { (2, random.bytes(len)) };
        let mut rest = &payload[..];
        while random.one_in(2) {
            let (fragment, after) = rest.split_at(random.below(rest.len() + 1));
            stream.extend(frame(opcode, fragment));
            (opcode, rest) = (0, after);
            if random.one_in(3) {
                let (first, len) = (if random.one_in(2) { 0x89 } else { 0x8a }, random.below(126));
                stream.extend(frame(first, &random.bytes(len)));
            }
        }
        stream.extend(frame(0x80 | opcode, rest));
    }
    if random.one_in(3) {
        let code = [1000, 1001, 1007, 1011, 3000, 4321][random.below(6)];
        let reason = random.text(20);
        let payload = [&u16::to_be_bytes(code)[..], reason.as_bytes()].concat();
        stream.extend(frame(0x88, if random.one_in(4) { b"" } else { &payload }));
    }
    stream
}

/// One to three bytes changed, taken out or put in, or the end cut off.
fn damage(random: &mut Random, stream: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(stream.len());
        match random.below(5) {
            0 => drop(stream.remove(at)),
            1 => stream.insert(at, random.next() as u8),
            2 => stream.truncate(at.max(1)),
            3 => stream[at] ^= 1 << random.below(8),
            _ => stream[at] = random.next() as u8,
        }
        if stream.is_empty() {
            stream.push(0x81);
        }
    }
}

/// What arrives is read, what is answered is dropped.
struct Peer(Cursor<Vec<u8>>);

impl Read for Peer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Peer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of the stream; no error where it would go on reading.
fn reference(stream: &[u8]) -> (Vec<Inbound>, Option<Error>) {
    let config = WebSocketConfig::default()
        .max_frame_size(Some(LIMITS.max_frame))
        .max_message_size(Some(LIMITS.max_message))
        .read_buffer_size(4096);
    let mut socket = WebSocket::from_raw_socket(Peer(Cursor::new(stream.to_vec())), Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        events.push(match socket.read() {
            Ok(tungstenite::Message::Text(message)) => text(&message),
            Ok(tungstenite::Message::Binary(message)) => binary(&message),
            Ok(tungstenite::Message::Ping(payload)) => ping(&payload),
            Ok(tungstenite::Message::Pong(payload)) => pong(&payload),
            Ok(tungstenite::Message::Close(frame)) => {
                events.push(Inbound::Close(frame.map(|frame| {
                    CloseFrame::received(
                        CloseCode::from_wire(frame.code.into()).unwrap(),
                        ByteString::from(frame.reason.as_str()),
                    )
                })));
                return (events, None);
            }
            Ok(tungstenite::Message::Frame(_)) => unreachable!("reading yields no raw frames"),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => return (events, None),
            Err(error) => return (events, Some(error)),
        });
    }
}

#[test]
fn legal_streams_mean_the_same() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut seen = 0;
    for case in 0..2000 {
        let stream = legal(&mut random);
        let (expected, error) = reference(&stream);
        assert!(error.is_none(), "case {case}: {error:?}");
        seen += expected.len();
        let size = 1 + random.below(stream.len());
        assert_eq!(decode(LIMITS, stream.chunks(size)), (expected, Ok(())), "case {case}, {size}");
    }
    assert!(seen > 4000, "{seen}");
}

#[test]
fn damaged_streams_get_the_same_verdict() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let (mut both, mut early, mut stricter) = (0, 0, 0);
    for case in 0..6000 {
        let mut stream = legal(&mut random);
        damage(&mut random, &mut stream);
        let (expected, error) = reference(&stream);
        let size = 1 + random.below(stream.len());
        let (events, outcome) = decode(LIMITS, stream.chunks(size));
        let context = format!("case {case}, pieces of {size}: {outcome:?}, tungstenite {error:?}");
        match (outcome, error) {
            (Ok(()), None) => assert_eq!(events, expected, "{context}"),
            (Ok(()), Some(_)) => panic!("{context}"),
            // It takes a length in any form, and goes on.
            (Err(FramingError::LengthNotMinimal), _) => {
                assert_eq!(events, expected[..events.len()], "{context}");
                stricter += 1;
            }
            // It answers a bad code in place of the one that came.
            (Err(FramingError::CloseCode), None) => {
                let (last, before) = expected.split_last().unwrap();
                assert_eq!((&events[..], last), (before, &close(1002, "Protocol violation")), "{context}");
                both += 1;
            }
            // It waits for the end of the frame, which never comes.
            (Err(_), None) => {
                assert_eq!(events, expected, "{context}");
                early += 1;
            }
            (Err(ours), Some(theirs)) => {
                assert_eq!(events, expected, "{context}");
                let alike = match &theirs {
                    // It reads a close reason before the code.
                    Error::Utf8(_) => {
                        matches!(ours, FramingError::NotUtf8 | FramingError::CloseNotUtf8 | FramingError::CloseCode)
                    }
                    // Over the limit it does not look at what is wrong with the frame besides.
                    Error::Capacity(_) => !matches!(ours, FramingError::NotUtf8 | FramingError::CloseNotUtf8),
                    // It checks text once its frame is complete: what follows in the frame cannot be broken before.
                    Error::Protocol(_) => !matches!(ours, FramingError::NotUtf8),
                    _ => false,
                };
                assert!(alike, "{context}");
                both += 1;
            }
        }
    }
    assert!(both > 2000 && early > 200 && stricter > 2, "{both} {early} {stricter}");
}
