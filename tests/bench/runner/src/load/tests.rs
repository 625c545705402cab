//! The load against a server of its own that answers right, or wrong in one way.

use super::{
    engine::{Engine, Pattern},
    frames::{blocks, variant},
    handshakes::Handshakes,
    open::Target,
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

const BYTES: usize = 300;
const DEPTH: usize = 3;
const TURN: Duration = Duration::from_millis(30);
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    Right,
    OneBitWrong,
    OfAnotherTurn,
    OneByteMore,
    HangsUp,
}

/// Serves so many connections, which come in order, and answers each block.
fn server(connections: usize, answers: Answers) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for index in 0..connections {
            let stream = listener.accept().unwrap().0;
            thread::spawn(move || serve(stream, index, answers));
        }
    });
    Target::new(address, Ipv4Addr::LOCALHOST, "/")
}

/// Ends with its client.
fn serve(mut stream: TcpStream, index: usize, answers: Answers) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    write!(stream, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n")?;
    let blocks = blocks(BYTES, DEPTH);
    for turn in 0.. {
        let block = &blocks[variant(index, turn)];
        let mut request = vec![0; block.request.len()];
        stream.read_exact(&mut request)?;
        assert_eq!(request, block.request);
        let mut answer = block.answer.clone();
        if turn == 2 {
            match answers {
                Answers::Right => {}
                Answers::OneBitWrong => *answer.last_mut().unwrap() ^= 1,
                Answers::OfAnotherTurn => answer = blocks[variant(index, turn + 1)].answer.clone(),
                Answers::OneByteMore => answer.push(0x81),
                Answers::HangsUp => return Ok(()),
            }
        }
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn turns(pattern: Pattern, answers: Answers) -> anyhow::Result<Vec<u64>> {
    let mut engine = Engine::new(server(3, answers), pattern, BYTES, DEPTH)?;
    engine.open(3)?;
    (0..3).map(|_| Ok(engine.turn(TURN)?.messages)).collect()
}

#[test]
fn whole_blocks_of_every_connection_are_counted() {
    for messages in turns(Pattern::Echo, Answers::Right).unwrap() {
        assert!(messages >= 9 && messages.is_multiple_of(DEPTH as u64), "{messages}");
    }
}

#[test]
fn at_fixed_times_so_many_messages_are_sent() {
    // Three connections, 30 ms, one block each 10 ms.
    let paced = turns(Pattern::Paced(Duration::from_millis(10)), Answers::Right).unwrap();
    assert!(paced.iter().all(|messages| (27..=30).contains(messages)), "{paced:?}");
}

#[test]
fn what_is_wrong_is_noticed() {
    for (answers, says) in [
        (Answers::OneBitWrong, " is not "),
        (Answers::OfAnotherTurn, " is not "),
        (Answers::OneByteMore, "more came than was sent"),
        (Answers::HangsUp, "the server hung up"),
    ] {
        let error = turns(Pattern::Echo, answers).unwrap_err().to_string();
        assert!(error.contains(says), "{answers:?}: {error}");
    }
}

#[test]
fn handshakes_are_counted() {
    let mut handshakes = Handshakes::new(server(1_000_000, Answers::Right), 4).unwrap();
    assert!(handshakes.turn(TURN).unwrap().messages >= 4);
}

#[test]
fn a_server_that_does_not_upgrade_is_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let read = stream.read(&mut [0; 1024]).unwrap();
            assert!(read > 0);
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
        }
    });
    let target = Target::new(address, Ipv4Addr::LOCALHOST, "/");
    assert!(target.open().unwrap_err().to_string().contains("503"));
    assert!(Handshakes::new(target, 1).unwrap().turn(TURN).unwrap_err().to_string().contains("503"));
}
