//! Instances that sleep, move and die.

use crate::stock;
use socklet_test::{InstancePolicy, Request, Setup};
use std::time::Duration;

#[test]
fn an_instance_sleeps_and_goes_on() {
    let route = Setup::new(stock("counter")).hibernate_after(Duration::from_secs(10)).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("a");
    ada.expect("v1 1");
    route.advance(Duration::from_secs(9));
    assert_eq!(ada.instance(), Some("live"));
    route.advance(Duration::from_secs(1));
    assert_eq!(ada.instance(), Some("hibernated"));
    ada.send("b");
    ada.expect("v1 2");
    ada.hibernate();
    assert_eq!(ada.instance(), Some("hibernated"));
    ada.send("c");
    ada.expect("v1 3");
}

#[test]
fn connections_move_to_another_version() {
    let route = Setup::new(stock("counter")).start().unwrap();
    let ada = route.connect(Request::to("/"));
    ada.send("a");
    ada.expect("v1 1");
    route.swap(stock("counter_v2"));
    ada.send("b");
    ada.expect("v2 2");
}

#[test]
fn who_shares_an_instance_shares_its_death() {
    let route = Setup::new(stock("counter")).instance(InstancePolicy::Shared).start().unwrap();
    let (ada, bob) = (route.connect(Request::to("/")), route.connect(Request::to("/")));
    ada.send("a");
    ada.expect("v1 1");
    bob.send("b");
    bob.expect("v1 2");
    ada.kill();
    ada.expect_close(1011);
    bob.expect_close(1011);
    let eve = route.connect(Request::to("/"));
    eve.send("c");
    eve.expect("v1 1");
}
