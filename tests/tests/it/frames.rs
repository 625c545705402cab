//! Frames one by one: what a plugin that exports `frames` sees and does, and which ones a plugin may send.

use socklet_tests::{Frame, Server, Wire};

const CONFIG: &str = r#"
    [[route]]
    path = "/frames"
    behavior = "frames"
    [[route]]
    path = "/reporter"
    behavior = "reporter"
    [plugin.frames]
    source = "guest:frames"
    [plugin.reporter]
    source = "guest:reporter"
"#;

fn frame(first: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame { first, payload: payload.as_ref().to_vec() }
}

async fn wire(server: &Server, path: &str) -> Wire {
    server.at(path).wire().await
}

async fn next(wire: &mut Wire) -> Frame {
    wire.next().await.expect("a frame")
}

/// What the guest has noted since the last time.
async fn notes(wire: &mut Wire) -> Vec<String> {
    wire.frame(0x81, b"frames").await;
    let told = next(wire).await;
    assert_eq!(told.first, 0x81, "{told:?}");
    String::from_utf8(told.payload).unwrap().lines().map(str::to_owned).collect()
}

/// Says a command to the reporter, which answers with a text.
async fn ask(wire: &mut Wire, command: &str) -> String {
    wire.frame(0x81, command.as_bytes()).await;
    let told = next(wire).await;
    assert_eq!(told.first, 0x81, "{command}: {told:?}");
    String::from_utf8(told.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_unmasked_and_one_by_one() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/frames").await;
    // One write: every frame of it is seen by itself, in order, and what the host does with it is not put off.
    let mut all = Vec::new();
    for (first, payload) in [(0x01, "he"), (0x89, "p"), (0x00, "l"), (0x8a, "unasked"), (0x80, "lo"), (0x82, "b")] {
        all.extend(frame(first, payload).masked());
    }
    wire.write(&all).await;
    assert_eq!(next(&mut wire).await, frame(0x8a, "p"));
    assert_eq!(next(&mut wire).await, frame(0x81, "hello"));
    assert_eq!(next(&mut wire).await, frame(0x82, "b"));
    let expected = ["text more he", "ping last p", "continuation more l", "pong last unasked", "continuation last lo"];
    let noted = notes(&mut wire).await;
    assert_eq!(noted[..5], expected);
    assert_eq!(noted[5..], ["binary last b"]);
    wire.frame(0x88, b"\x0f\xa1bye").await;
    assert_eq!(wire.expect_close(4001).await, "bye");
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_skipped_does_nothing() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/frames").await;
    wire.frame(0x89, b"skip").await;
    wire.frame(0x81, b"skip").await;
    wire.frame(0x82, b"skip").await;
    wire.frame(0x89, b"and this is answered").await;
    assert_eq!(next(&mut wire).await, frame(0x8a, "and this is answered"));
    assert_eq!(
        notes(&mut wire).await,
        ["ping last skip", "text last skip", "binary last skip", "ping last and this is answered"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_stops_the_connection() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/frames").await;
    wire.frame(0x81, b"stop").await;
    wire.frame(0x81, b"nobody hears this").await;
    assert_eq!(wire.expect_close(1000).await, "");
    wire.frame(0x88, b"\x03\xe8").await;
    wire.ends().await;
    server.until_metric("socklet_plugin_instances{state=\"live\"}", 0.0).await;
    assert_eq!(server.metric("socklet_messages_received_total{opcode=\"text\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_is_never_seen() {
    let server = Server::start(CONFIG).await;
    for (what, bytes) in [
        ("unmasked", &[0x89, 0x00][..]),
        ("a reserved bit", &frame(0xc9, "x").masked()),
        ("a reserved opcode", &frame(0x83, "x").masked()),
        ("a fragmented ping", &frame(0x09, "x").masked()),
        ("a continuation of nothing", &frame(0x80, "x").masked()),
    ] {
        let mut wire = wire(&server, "/frames").await;
        wire.frame(0x89, b"seen").await;
        assert_eq!(next(&mut wire).await, frame(0x8a, "seen"), "{what}");
        wire.write(bytes).await;
        wire.expect_close(1002).await;
    }
    let series = "socklet_plugin_calls_total{hook=\"on-frame\",outcome=\"ok\"}";
    assert_eq!(server.metric(series).await, 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_kills_the_instance_closes_with_1011() {
    let server = Server::start(CONFIG).await;
    for (payload, reason) in [(&b"trap"[..], "trap"), (b"spin", "deadline")] {
        let mut wire = wire(&server, "/frames").await;
        wire.frame(0x81, payload).await;
        assert!(wire.expect_close(1011).await.starts_with("plugin failed, event "));
        let series = format!("socklet_plugin_calls_total{{hook=\"on-frame\",outcome=\"{reason}\"}}");
        assert_eq!(server.metric(&series).await, 1.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_export_it_is_not_asked() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/reporter").await;
    wire.frame(0x89, b"stop").await;
    assert_eq!(next(&mut wire).await, frame(0x8a, "stop"));
    assert_eq!(ask(&mut wire, "echo still here").await, "still here");
    assert_eq!(server.metric("socklet_plugin_calls_total{hook=\"on-frame\",outcome=\"ok\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_legal_sequence_is_sent_as_it_is() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/reporter").await;
    // Control frames between the fragments, an empty one, a character that two fragments share, binary, empty at the end.
    for (commands, sent) in [
        (
            &["frame text false a", "frame ping true p", "frame continuation true b"][..],
            &[(0x01, "a"), (0x89, "p"), (0x80, "b")][..],
        ),
        (&["frame text true whole"], &[(0x81, "whole")]),
        (
            &["frame binary false a", "frame continuation false ", "frame pong true ", "frame continuation true z"],
            &[(0x02, "a"), (0x00, ""), (0x8a, ""), (0x80, "z")],
        ),
        (&["frame binary true "], &[(0x82, "")]),
        (&["frame text false a", "frame continuation true "], &[(0x01, "a"), (0x80, "")]),
    ] {
        for command in commands {
            wire.frame(0x81, command.as_bytes()).await;
        }
        for (first, payload) in sent {
            loop {
                let told = next(&mut wire).await;
                // The answers to the commands come between, where the protocol lets them.
                if told.first == 0x81 && told.payload == b"{\"ok\":null}" {
                    continue;
                }
                assert_eq!(told, frame(*first, payload), "{commands:?}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn illegal_sequences_are_refused() {
    let server = Server::start(CONFIG).await;
    let mut wire = wire(&server, "/reporter").await;
    let long = "x".repeat(126);
    for command in [
        "frame continuation true x",
        "frame continuation false x",
        "frame close true x",
        "frame ping false x",
        "frame pong false x",
        &format!("frame ping true {long}"),
        &format!("frame pong true {long}"),
    ] {
        assert_eq!(ask(&mut wire, command).await, "{\"error\":\"invalid\"}", "{command}");
    }
    // Inside a message: no second one, and no whole message either.
    wire.frame(0x81, b"frame text false he").await;
    assert_eq!(next(&mut wire).await, frame(0x01, "he"));
    for command in ["frame text true no", "frame binary false no", "send-all no", "frame ping true and this is sent"] {
        wire.frame(0x81, command.as_bytes()).await;
    }
    assert_eq!(next(&mut wire).await, frame(0x89, "and this is sent"));
    wire.frame(0x81, b"frame continuation true llo").await;
    assert_eq!(next(&mut wire).await, frame(0x80, "llo"));
    assert_eq!(next(&mut wire).await, frame(0x81, "{\"ok\":null}"));
    assert_eq!(ask(&mut wire, "echo done").await, "done");
}
