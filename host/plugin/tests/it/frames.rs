//! The optional export `frames`: who is asked, what the answers mean, and what the budgets of a call do to it.

use crate::harness::{Client, Expect, Host, Route, config, guest, stock};
use socklet_core::{Answer, CallError, Cause, DeathKind, Event, Frame, Opcode};
use socklet_plugin::{InstancePolicy, inspect};
use std::time::Duration;

fn frame(opcode: Opcode, fin: bool, payload: &'static [u8]) -> Event {
    Event::Frame(Frame { opcode, fin, payload: payload.into() })
}

async fn ping(client: &mut Client, payload: &'static [u8]) -> Result<Answer, CallError> {
    client.call(frame(Opcode::Ping, true, payload)).await
}

async fn route(host: &Host) -> Route {
    host.route("frames", InstancePolicy::Connection).await
}

/// What the guest has noted; the host calls for the frame of a message before it calls for the message.
async fn notes(client: &mut Client) -> Vec<String> {
    client.call(frame(Opcode::Text, true, b"frames")).await.unwrap().proceeds();
    client.ask("frames").await.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn only_who_exports_it_sees_frames() {
    let host = Host::new();
    let asked = |client: Client| client.session.sees_frames();
    assert!(asked(route(&host).await.connect("").await));
    assert!(!asked(host.route("reporter", InstancePolicy::Connection).await.connect("").await));
    let inspection = inspect(&std::fs::read(guest("frames")).unwrap()).unwrap();
    assert!(inspection.would_load, "{:?}", inspection.problems);
    assert!(inspection.exports.contains(&"socklet:plugin/frames@0.1.0".to_owned()), "{:?}", inspection.exports);
}

#[tokio::test]
async fn every_frame_arrives_as_it_is() {
    let host = Host::new();
    let mut client = route(&host).await.connect("").await;
    for event in [
        frame(Opcode::Ping, true, b"p"),
        frame(Opcode::Pong, true, b""),
        frame(Opcode::Text, false, b"he"),
        frame(Opcode::Continuation, true, b"llo"),
        frame(Opcode::Binary, true, b"b"),
        frame(Opcode::Close, true, b"\x03\xe8bye"),
        frame(Opcode::Close, true, b""),
    ] {
        client.call(event).await.unwrap().proceeds();
    }
    let expected =
        ["ping last p", "pong last ", "text more he", "continuation last llo", "binary last b", "close 1000 last bye"];
    let noted = notes(&mut client).await;
    assert_eq!(noted[..6], expected);
    assert_eq!(noted[6..], ["close last "]);
    client.close(Cause::Client).await.unwrap().proceeds();
}

#[tokio::test]
async fn the_guest_skips_and_stops() {
    let host = Host::new();
    let mut client = route(&host).await.connect("").await;
    assert_eq!(ping(&mut client, b"skip").await.unwrap(), Answer::Skip);
    let frame = ping(&mut client, b"stop").await.unwrap().closes();
    assert_eq!((frame.code().get(), &**frame.reason()), (1000, ""));
    ping(&mut client, b"go on").await.unwrap().proceeds();
    for (outcome, count) in [("ok", 2.0), ("refused", 1.0)] {
        let series = format!("plugin_calls_total{{hook=\"on-frame\",outcome=\"{outcome}\"}}");
        assert_eq!(host.metric(&series), count, "{outcome}");
    }
    assert_eq!(host.metric("plugin_call_duration_seconds_count{hook=\"on-frame\"}"), 3.0);
}

#[tokio::test]
async fn a_trap_in_it_ends_the_instance() {
    let host = Host::new();
    let mut client = route(&host).await.connect("").await;
    let error = ping(&mut client, b"trap").await.unwrap_err();
    assert!(matches!(error, CallError::Died { kind: DeathKind::Trap, .. }), "{error}");
    assert_eq!(ping(&mut client, b"after").await.unwrap_err().event(), error.event());
    assert_eq!(client.session.lifeline().death(), Some(error.event()));
    client.close(Cause::PluginFailed).await.unwrap().proceeds();
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-frame\",outcome=\"trap\"}"), 1.0);
}

#[tokio::test]
async fn it_has_the_deadline_of_any_hook() {
    let host = Host::new();
    let mut config = config(guest("frames"));
    config.limits.timeout = Some(Duration::from_millis(20));
    let mut client = host.route_with(config, InstancePolicy::Connection).await.connect("").await;
    let error = ping(&mut client, b"spin").await.unwrap_err();
    assert!(matches!(error, CallError::Died { kind: DeathKind::Deadline, .. }), "{error}");
    assert_eq!(host.metric("plugin_calls_total{hook=\"on-frame\",outcome=\"deadline\"}"), 1.0);
}

#[tokio::test]
async fn who_does_not_export_it_is_not_called_for_it() {
    let host = Host::new();
    let mut client = host.route_with(config(stock("echo")), InstancePolicy::Connection).await.connect("").await;
    ping(&mut client, b"stop").await.unwrap().proceeds();
    assert!(client.received().is_empty());
}
