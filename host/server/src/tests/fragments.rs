//! Frames that guests make themselves.

use super::harness::{Setup, done, text};
use socklet_core::{Connections, Opcode, SendError};

#[tokio::test(start_paused = true)]
async fn fragments_with_control_frames_between() {
    let host = Setup::new(|_, _| done()).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    let send = |opcode, fin, payload: &[u8]| host.connections.send_frame(id, opcode, fin, payload);
    for (opcode, fin, payload, result) in [
        (Opcode::Continuation, true, &b"of nothing"[..], Err(SendError::Invalid)),
        (Opcode::Close, true, b"", Err(SendError::Invalid)),
        (Opcode::Ping, false, b"", Err(SendError::Invalid)),
        (Opcode::Pong, true, &[0; 126], Err(SendError::Invalid)),
        (Opcode::Text, true, b"\xff", Err(SendError::Invalid)),
        (Opcode::Text, false, b"h\xc3", Ok(())),
        (Opcode::Text, true, b"another", Err(SendError::Invalid)),
        (Opcode::Ping, true, &[7; 125], Ok(())),
        (Opcode::Continuation, false, b"\xff", Err(SendError::Invalid)),
        (Opcode::Continuation, false, b"\xa4", Ok(())),
        (Opcode::Pong, true, b"unasked", Ok(())),
        (Opcode::Continuation, true, b"!", Ok(())),
        (Opcode::Binary, true, b"\xff", Ok(())),
    ] {
        assert_eq!(send(opcode, fin, payload), result, "{opcode:?} {fin} {payload:?}");
        let inside = fin == (opcode == Opcode::Text) || opcode == Opcode::Continuation && !fin;
        if result.is_ok() && inside && !opcode.is_control() {
            assert_eq!(host.connections.send(id, text("whole").as_ref()), Err(SendError::Invalid));
            assert_eq!(host.connections.send_all(text("whole").as_ref(), None), 0);
        }
    }
    for (opcode, fin, payload) in [
        (1, false, &b"h\xc3"[..]),
        (9, true, &[7; 125]),
        (0, false, b"\xa4"),
        (10, true, b"unasked"),
        (0, true, b"!"),
        (2, true, b"\xff"),
    ] {
        let frame = client.next().await.unwrap();
        assert!(frame.opcode == opcode && frame.fin == fin && frame.payload == payload, "{frame:?}");
    }
    client.close(1000, "").await;
    assert_eq!(host.ending().await.messages_sent, 2);
    assert_eq!(host.metric("socklet_messages_sent_total{opcode=\"text\"}"), 1);
    assert_eq!(host.metric("socklet_messages_sent_total{opcode=\"binary\"}"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fragment_that_does_not_fit_changes_nothing() {
    let host = Setup::new(|_, _| done()).limits(|limits| limits.send_queue_max_bytes = 1000).start();
    let mut client = host.connect().await;
    let id = host.connections.ids()[0];
    let large = bytes::Bytes::from(vec![0; 1000]);
    assert_eq!(host.connections.send_frame(id, Opcode::Binary, false, &large), Err(SendError::TooLarge));
    assert_eq!(host.connections.send(id, text("whole").as_ref()), Ok(()));
    assert_eq!(client.next_text().await, "whole");
}
