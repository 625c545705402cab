//! What peers say and hear.

use crate::{guest, panic_of, stock};
use serde_json::json;
use socklet_core::Opcode;
use socklet_test::{
    CallLimits, Component, Event, Expected, InstancePolicy, Limits, Payload, Request, Setup, SlowConsumer,
};
use std::time::Duration;

#[test]
fn an_echo_sends_back_what_it_hears() {
    let route = Setup::new(stock("echo")).start().unwrap();
    let ada = route.connect_as("ada", Request::to("/"));
    ada.send("hi");
    ada.expect("hi");
    ada.send_binary(&[0, 255]);
    ada.expect_binary(&[0, 255]);
    ada.expect_nothing();
    ada.close(1000, "bye");
    route.finish();
}

#[test]
fn what_differs_is_told_with_the_conversation() {
    let told = panic_of(|| {
        let route = Setup::new(stock("echo")).start().unwrap();
        let ada = route.connect_as("ada", Request::to("/"));
        ada.send("hi there");
        ada.expect("hi you");
    });
    assert_eq!(
        told,
        "expected  text \"hi you\"\nfound     text \"hi there\"\n          from character 4 on: \"there\", not \"you\"\n\n\
         so far:\n    0.000s  ada connects to /\n    0.000s  ada is let in\n    0.000s  ada -> \"hi there\"\n    0.000s  ada <- \"hi there\"\n"
    );
}

#[test]
fn what_nobody_expected_is_a_failure_at_the_end() {
    let begin = || {
        let route = Setup::new(stock("echo")).start().unwrap();
        let ada = route.connect_as("ada", Request::to("/"));
        ada.send("one");
        ada.send("two");
        (route, ada)
    };
    let told = panic_of(|| drop(begin()));
    assert!(told.starts_with("expected  nothing more\nfound     ada <- text \"one\"\n          and 1 more:"), "{told}");
    let (route, _ada) = begin();
    route.lenient();
}

/// As the guide has it.
#[test]
fn a_room_hears_its_members() {
    let chat = Component::file("../../plugins/target/wasm32-wasip2/release/chat.wasm").setting("max_text", "100");
    let route = Setup::new(chat).instance(InstancePolicy::Shared).start().unwrap();
    let ada = route.connect_as("ada", Request::to("/?name=ada").capture("room", "tea"));
    ada.expect_json(json!({ "type": "welcome", "you": "ada", "room": "tea", "members": ["ada"] }));
    for number in 0..3 {
        route.advance(Duration::from_secs(1));
        ada.send_json(&json!({ "type": "say", "text": format!("message {number}") }));
        let at = 1_893_456_001_000_u64 + number * 1_000;
        ada.expect_json(json!({ "type": "message", "from": "ada", "text": format!("message {number}"), "at": at }));
    }
    ada.close(1000, "bye");
}

#[test]
fn memory_is_limited() {
    let limits = CallLimits { memory_max: 4 << 20, ..CallLimits::default() };
    let route = Setup::new(Component::file(guest("exhaust_memory")).limits(limits)).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("grow");
    ada.expect("refused after 2 MiB");
}

#[test]
fn limits_are_those_of_a_route() {
    let limits = Limits { max_message_size: 5, ..Limits::default() };
    let route = Setup::new(stock("echo")).limits(limits).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("12345");
    ada.expect("12345");
    ada.send("123456");
    ada.expect_close(1009);
}

#[test]
fn who_does_not_read_is_closed() {
    let limits = Limits { send_queue_max_bytes: 20, ..Limits::default() };
    let route = Setup::new(stock("echo")).limits(limits.clone()).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.stop_reading();
    ada.send("0123456789");
    ada.expect_nothing();
    ada.read_on();
    ada.expect("0123456789");
    ada.stop_reading();
    ada.send("0123456789");
    ada.send("0123456789");
    ada.expect_close(1013);

    let route = Setup::new(stock("echo")).limits(Limits { slow_consumer: SlowConsumer::DropOldest, ..limits });
    let route = route.start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.stop_reading();
    ada.send("the first");
    ada.send("the second");
    ada.read_on();
    ada.expect("the second");
}

#[test]
fn a_refusal_is_told() {
    let route = Setup::new(stock("chat")).start().unwrap();
    let refused = route.connect_refused(Request::to("/").capture("room", &"x".repeat(61)));
    assert_eq!((refused.status, refused.text().as_str()), (400, "this is no name for a room\n"));
}

#[test]
fn authenticators_are_asked_first() {
    let users = r#"{"ann":"$2b$04$Y3b9kVJv6PTYVJUeU3oeZOLs5m.Oyn1YyqEZ5eYv1z3FkkzB5iD7S"}"#;
    let auth = socklet_test::Component::file(stock("basic_auth")).setting("users", users);
    let route = Setup::new(stock("echo")).authenticator(auth).start().unwrap();
    let refused = route.connect_refused(Request::to("/"));
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
}

#[test]
fn what_traps_is_told_and_has_to_be_expected() {
    let begin = || {
        let route = Setup::new(guest("trap_message")).start().unwrap();
        let ada = route.connect_as("ada", Request::to("/"));
        ada.send("trap");
        ada.expect_next(&Expected::Close { code: 1011, reason: Some("plugin failed, event 1".into()) });
        route
    };
    begin().expect_death("unreachable");
    let told = panic_of(|| drop(begin()));
    assert!(told.starts_with("expected  nothing more\nfound     instance died in on-message (trap): "), "{told}");
}

#[test]
fn a_guest_that_never_ends_is_stopped() {
    let route = Setup::new(guest("spin_message")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("spin");
    ada.expect_close(1011);
    route.expect_death("CPU time used up");
}

#[test]
fn the_log_is_heard() {
    let route = Setup::new(guest("reporter")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("log warn careful, ada");
    ada.expect_json(json!({ "ok": null }));
    ada.send("stdout said aloud");
    ada.expect_json(json!({ "ok": null }));
    route.expect_log("careful");
    route.expect_log("said aloud");
    let told = panic_of(|| route.expect_log("careful"));
    assert!(told.starts_with("expected  a line of the log with \"careful\"\nfound     no line"), "{told}");
}

#[test]
fn plugins_that_see_frames_see_them() {
    let route = Setup::new(guest("frames")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send_frame(Opcode::Text, false, b"he");
    ada.expect_nothing();
    ada.send_frame(Opcode::Continuation, true, b"llo");
    ada.expect("hello");
    ada.send("skip");
    ada.send_frame(Opcode::Ping, true, b"p");
    ada.expect_next(&Expected::Pong(b"p".to_vec()));
    ada.send("frames");
    ada.expect("text more he\ncontinuation last llo\ntext last skip\nping last p");
    ada.send("stop");
    ada.expect_close(1000);
}

#[test]
fn what_breaks_the_protocol_is_closed() {
    let route = Setup::new(stock("echo")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send_frame(Opcode::Continuation, true, b"x");
    ada.expect_close(1002);
    let bob = route.connect(Request::to("/"));
    bob.send_frame(Opcode::Text, true, &[0xff]);
    bob.expect_close(1007);
}

#[test]
fn the_request_is_what_was_asked_for() {
    let route = Setup::new(guest("reporter")).subprotocols(["b", "c"]).start().unwrap();
    let request = Request::to("/rooms/x?y=z").capture("room", "x").header("X-Thing", "1").header("cookie", "secret");
    let ada = route.connect(request.subprotocol("a").subprotocol("c").client([10, 0, 0, 1].into(), 7));
    let accepted = Event::Accepted { subprotocol: Some("c".into()) };
    assert!(route.conversation().iter().any(|entry| entry.event == accepted));
    ada.send("request");
    let Payload::Text(text) = ada.receive() else { panic!("a text") };
    let request = &serde_json::from_str::<serde_json::Value>(&text).unwrap()["ok"];
    assert_eq!((&request["path"], &request["query"]), (&json!("/rooms/x"), &json!("y=z")));
    assert_eq!((&request["captures"], &request["client_ip"]), (&json!([["room", "x"]]), &json!("10.0.0.1")));
    let headers = request["headers"].to_string();
    assert!(headers.contains(r#"["x-thing","1"]"#) && headers.contains(r#"["sec-websocket-protocol","a, c"]"#));
    assert!(!headers.contains("cookie"), "not without a grant");
    assert_eq!(request["connection"], 1);
}

#[test]
fn peers_go_in_their_own_ways() {
    let route = Setup::new(guest("sleepy")).instance(InstancePolicy::Shared).start().unwrap();
    let (ada, bob, eve) =
        (route.connect(Request::to("/")), route.connect(Request::to("/")), route.connect(Request::to("/")));
    ada.vanish();
    bob.expect("closed after 0");
    eve.expect("closed after 0");
    bob.close(4000, "enough");
    eve.expect("closed after 0");
    let told = panic_of(|| bob.send("anybody?"));
    assert!(told.starts_with("expected  an open connection\nfound     one that has ended"), "{told}");
}
