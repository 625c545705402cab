//! What is compressed becomes what it was, with every size of window, alone and in a row.

use super::*;
use std::sync::Arc;

fn deflate(bits: u8, level: u8, takeover: bool) -> Deflate {
    Deflate {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::new(bits).unwrap(),
        level: Level::new(level).unwrap(),
        threshold: 64,
    }
}

fn inflate(inflater: &mut Inflater, takeover: bool, compressed: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    inflater
        .inflate(compressed, usize::MAX, |part| {
            message.extend_from_slice(part);
            Ok::<_, ()>(())
        })
        .unwrap();
    inflater.finish(takeover).unwrap();
    message
}

/// Sentences that repeat near and far.
fn messages() -> Vec<Vec<u8>> {
    let sentence =
        |i: usize| format!("{{\"id\":{i},\"name\":\"user {}\",\"says\":\"hello {}\"}}", i * 7919 % 101, i % 13);
    (1..60).map(|i| (0..i * i / 8 + 2).map(|j| sentence(i + j)).collect::<String>().into_bytes()).collect()
}

#[test]
fn everything_comes_back() {
    for bits in 9..=15 {
        for (level, takeover) in [(1, false), (1, true), (6, false), (6, true), (9, true)] {
            let mut deflater = Deflater::new(deflate(bits, level, takeover));
            let mut inflater = Inflater::default();
            for message in messages() {
                let compressed = deflater.compress(&message, None).expect("it becomes smaller");
                assert!(compressed.len() < message.len() && !compressed.ends_with(&[0, 0, 0xff, 0xff]));
                assert_eq!(inflate(&mut inflater, takeover, &compressed), message, "{bits} {level} {takeover}");
            }
        }
    }
}

#[test]
fn a_context_makes_similar_messages_smaller() {
    let size = |takeover| {
        let mut deflater = Deflater::new(deflate(15, 6, takeover));
        messages().iter().map(|message| deflater.compress(message, None).unwrap().len()).sum::<usize>()
    };
    assert!(size(true) * 2 < size(false), "{} {}", size(true), size(false));
}

/// Bytes that do not become smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn what_is_not_worth_it_goes_as_it_is_and_does_not_count() {
    let hard = noise(100);
    for takeover in [false, true] {
        let mut deflater = Deflater::new(deflate(15, 6, takeover));
        let mut inflater = Inflater::default();
        assert_eq!(deflater.compress(&[b'a'; 63], None), None, "below the threshold");
        assert_eq!(deflater.memory(), 0);
        let text = b"something with something in it, and something else, and something".repeat(3);
        for message in [&text[..], &hard, &text, &[], &hard[..64], &text] {
            if let Some(compressed) = deflater.compress(message, None) {
                assert_eq!(inflate(&mut inflater, takeover, &compressed), message);
            } else {
                assert!(message != text);
            }
        }
        assert_eq!((deflater.memory() > 0, inflater.memory() > 0), (takeover, takeover));
    }
    let everything = Deflate { threshold: 0, ..deflate(15, 6, false) };
    assert_eq!(Deflater::new(everything).compress(b"", None), None);
}

#[test]
fn however_much_does_not_become_smaller() {
    let hard = noise(300_000);
    for takeover in [false, true] {
        for level in [1, 6] {
            let mut deflater = Deflater::new(deflate(15, level, takeover));
            let mut inflater = Inflater::default();
            // Pixels of a picture: some become smaller, some do not.
            for (turn, message) in hard.chunks(100).enumerate() {
                let message: Vec<u8> = message.iter().map(|byte| byte & [0xff, 0x7f, 0x3f][turn % 3]).collect();
                if let Some(compressed) = deflater.compress(&message, None) {
                    assert_eq!(inflate(&mut inflater, takeover, &compressed), message);
                }
            }
            for size in [60_000, 70_000, 200_000, 300_000] {
                assert_eq!(deflater.compress(&hard[..size], None), None);
            }
        }
    }
}

#[test]
fn a_window_is_never_exceeded() {
    // What repeats is 600 bytes back: a window of 512 does not reach it, one of 1,024 does.
    let chunk = noise(300);
    let message = [&chunk[..], &[0xff; 300], &chunk].concat();
    let size = |bits| Deflater::new(deflate(bits, 9, false)).compress(&message, None).unwrap().len();
    assert!(size(9) > size(10) + 200, "{} {}", size(9), size(10));
}

#[test]
fn a_message_to_many_is_compressed_once_for_each_window() {
    let message = messages().pop().unwrap();
    let shared = Arc::new(CompressOnce::default());
    let mut forms = Vec::new();
    for (bits, takeover) in [(15, false), (15, false), (12, false), (12, false), (15, true)] {
        let compressed = Deflater::new(deflate(bits, 6, takeover)).compress(&message, Some(&shared)).unwrap();
        assert_eq!(inflate(&mut Inflater::default(), false, &compressed), message);
        forms.push(compressed.as_ptr());
    }
    assert_eq!((forms[0], forms[2]), (forms[1], forms[3]));
    assert!(forms[0] != forms[2] && forms[0] != forms[4]);
    assert!(size_of::<CompressOnce>() <= 300, "{}", size_of::<CompressOnce>());
}

#[test]
fn connections_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Deflater>();
    is_send::<Inflater>();
    is_send::<CompressOnce>();
}
