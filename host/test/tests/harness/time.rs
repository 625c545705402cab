//! A clock that moves only when it is told to.

use crate::{guest, stock};
use serde_json::json;
use socklet_test::{Heartbeat, Limits, Principal, Request, Setup};
use std::time::Duration;

#[test]
fn the_wall_clock_is_the_tests_own() {
    let route = Setup::new(stock("chat")).wall_clock(Duration::from_secs(1_000)).start().unwrap();
    let ada = route.connect(Request::to("/?name=ada"));
    ada.expect_json(json!({ "type": "welcome", "you": "ada", "room": "lobby", "members": ["ada"] }));
    route.advance(Duration::from_millis(2_500));
    ada.send_json(&json!({ "type": "say", "text": "hi" }));
    let said = json!({ "type": "message", "from": "ada", "text": "hi", "at": 1_002_500 });
    ada.expect_json(said);
}

#[test]
fn timers_fire_when_they_are_due() {
    let route = Setup::new(guest("sleepy")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    for (name, ms) in [("late", 2_500), ("again-x", 1_000)] {
        ada.send(&format!("timer {name} {ms}"));
        ada.expect("ok");
    }
    assert_eq!(ada.timer("late"), Some(Duration::from_millis(2_500)));
    assert_eq!(ada.timer("never"), None);
    route.advance(Duration::from_millis(999));
    ada.expect_nothing();
    // One that sets itself again fires at each of its times.
    route.advance(Duration::from_millis(3_001));
    for text in ["again-x 2", "again-x 2", "late 2", "again-x 2", "again-x 2"] {
        ada.expect(text);
    }
    assert_eq!(ada.timer("again-x"), Some(Duration::from_secs(1)));
    ada.close(1000, "");
    // Set for an instance that is gone with its connection.
    route.advance(Duration::from_secs(60));
}

#[test]
fn a_guest_that_sleeps_makes_time_pass() {
    let limits = socklet_test::CallLimits { wait: Some(Duration::from_secs(90)), ..Default::default() };
    let route = Setup::new(socklet_test::Component::file(guest("sleeper")).limits(limits)).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("sleep");
    ada.expect("awake");
    assert!(route.conversation().last().unwrap().at >= Duration::from_secs(60));

    // Longer than a call may wait.
    let route = Setup::new(guest("sleeper")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("sleep");
    ada.expect_close(1011);
    route.expect_death("waited for too long");
}

#[test]
fn what_a_call_may_compute_does_not_depend_on_when_it_begins() {
    let route = Setup::new(guest("compute")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    // Real time goes by, more than a call may compute, and none of the test's own.
    std::thread::sleep(Duration::from_millis(300));
    ada.send("5000");
    ada.expect("done");
}

#[test]
fn chance_is_the_same_in_each_run() {
    let numbers = |seed| {
        let route = Setup::new(guest("reporter")).seed(seed).start().unwrap();
        let (ada, bob) = (route.connect(Request::to("/")), route.connect(Request::to("/")));
        [&ada, &bob].map(|peer| {
            peer.send("random");
            peer.receive()
        })
    };
    let [ada, bob] = numbers(1);
    assert_ne!(ada, bob, "instances differ");
    assert_eq!(numbers(1), [ada.clone(), bob]);
    assert_ne!(numbers(2)[0], ada);
}

#[test]
fn principals_expire() {
    let route = Setup::new(stock("echo")).wall_clock(Duration::from_secs(1_000)).start().unwrap();
    let principal = Principal::new("ada".into(), vec![], Some(1_060)).unwrap();
    let ada = route.connect(Request::to("/").principal(principal));
    route.advance(Duration::from_secs(59));
    ada.send("still here");
    ada.expect("still here");
    route.advance(Duration::from_secs(1));
    ada.expect_close(1008);
}

#[test]
fn who_does_not_answer_pings_is_closed() {
    let heartbeat = Heartbeat::new(Duration::from_secs(20), "").unwrap();
    let route = Setup::new(stock("echo")).heartbeat(heartbeat).start().unwrap();
    let ada = route.connect(Request::to("/"));
    route.advance(Duration::from_secs(3_600));
    ada.expect_nothing();
    ada.answer_pings(false);
    route.advance(Duration::from_secs(29));
    ada.expect_nothing();
    route.advance(Duration::from_secs(1));
    ada.expect_close(1008);
}

#[test]
fn who_is_silent_for_too_long_is_closed() {
    let limits = Limits { idle_timeout: Some(Duration::from_secs(60)), ..Limits::default() };
    let route = Setup::new(stock("echo")).limits(limits).start().unwrap();
    let ada = route.connect(Request::to("/"));
    route.advance(Duration::from_secs(50));
    ada.send("hi");
    ada.expect("hi");
    route.advance(Duration::from_secs(59));
    ada.expect_nothing();
    route.advance(Duration::from_secs(1));
    ada.expect_close(1001);
}
