//! One `on-close` for every `on-open`, and the truth in it: where the guest ends the connection, or itself.

use super::harness::{Host, MS, SECOND, Setup, dies, done, fails, later, never, refuses, text, when_message};
use socklet_core::{Call, Cause, Ending, Event, EventId};
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn summary(ending: &Ending) -> (u16, Cause, bool) {
    (ending.frame.code().get(), ending.cause, ending.clean)
}

#[tokio::test(start_paused = true)]
async fn a_guest_refuses_to_open() {
    let host = Setup::new(|_, event| if *event == Event::Open { refuses(4001, "not today") } else { done() }).start();
    let mut client = host.connect().await;
    assert_eq!(client.is_closed().await, (4001, "not today".to_owned()));
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (4001, Cause::Plugin, true));
    assert_eq!(ending.frame.reason(), "not today");
}

#[tokio::test(start_paused = true)]
async fn a_guest_closes_on_a_message_and_hears_no_more() {
    let host = Setup::new(when_message(|guest, _| {
        guest.send(text("one more thing")).unwrap();
        refuses(1000, "enough")
    }))
    .start();
    let mut client = host.connect().await;
    client.text("a").await;
    client.text("b").await;
    assert_eq!(client.next_text().await, "one more thing");
    client.text("c").await;
    assert_eq!(client.is_closed().await, (1000, "enough".to_owned()));
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1000, Cause::Plugin, true));
    assert_eq!((ending.messages_received, ending.messages_sent), (1, 1));
    assert_eq!(host.log.messages(), [text("a")]);
}

/// Every hook, dying at once or after a while.
#[tokio::test(start_paused = true)]
async fn a_guest_dies() {
    for wait in [0, 50] {
        for hook in ["open", "message", "close"] {
            let host = Setup::new(move |guest, event| {
                let due = match event {
                    Event::Open => hook == "open",
                    Event::Message(_) | Event::Frame(_) => hook == "message",
                    Event::Close(_) => hook == "close",
                };
                let guest = guest.clone();
                match (due, wait) {
                    (false, _) => done(),
                    (true, 0) => dies(&guest),
                    (true, _) => later(wait * MS, move || dies(&guest)),
                }
            })
            .start();
            let mut client = host.connect().await;
            client.text("x").await;
            if hook == "close" {
                client.close(1000, "").await;
                assert_eq!(client.next_close().await.0, 1000);
                client.ends().await;
                assert_eq!(summary(&host.ending().await), (1000, Cause::Client, true));
                continue;
            }
            let (code, reason) = client.is_closed().await;
            let event = host.lifeline.death().unwrap();
            assert_eq!((code, reason), (1011, format!("plugin failed, event {event}")));
            let ending = host.ending().await;
            assert_eq!(summary(&ending), (1011, Cause::PluginFailed, true));
            assert_eq!(host.log.messages().len(), usize::from(hook == "message"), "{hook}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_cannot_call_a_guest() {
    for on_open in [true, false] {
        let host = Setup::new(move |_, event| match event {
            Event::Open if on_open => fails(),
            Event::Message(_) => fails(),
            _ => done(),
        })
        .start();
        let mut client = host.connect().await;
        client.text("x").await;
        let (code, reason) = client.is_closed().await;
        assert_eq!(code, 1011);
        assert!(reason.starts_with("server failed, event "), "{reason}");
        assert_eq!(summary(&host.ending().await), (1011, Cause::Host, true));
    }
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_an_instance_close_when_it_dies_in_somebody_elses_call() {
    let host = Setup::new(when_message(|guest, message| match message {
        message if *message == text("wait") => later(3 * SECOND, done),
        _ => dies(guest),
    }))
    .start();
    let (mut idle, mut busy, mut fatal) = (host.connect().await, host.connect().await, host.connect().await);
    busy.text("wait").await;
    sleep(SECOND).await;
    let started = Instant::now();
    fatal.text("die").await;
    for client in [&mut idle, &mut busy, &mut fatal] {
        assert_eq!(client.is_closed().await.0, 1011);
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "nobody waits for a call of another");
    host.log.ends(3).await;
    host.settled().await;
    for ending in host.log.endings() {
        assert_eq!(summary(&ending), (1011, Cause::PluginFailed, true));
        assert_eq!(ending.duration, SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifeline_that_is_cut_closes_though_a_call_hangs() {
    let host = Setup::new(when_message(|_, _| later(60 * SECOND, done))).start();
    let mut client = host.connect().await;
    client.text("x").await;
    host.log.reaches(2).await;
    host.lifeline.cut(EventId::next());
    assert_eq!(client.is_closed().await.0, 1011);
    assert_eq!(summary(&host.ending().await), (1011, Cause::PluginFailed, true));
}

/// What arrived before the client went is delivered, but not to a guest that has had enough, or is dead.
#[tokio::test(start_paused = true)]
async fn a_guest_that_fails_after_the_client_went_hears_only_the_close() {
    for dead in [true, false] {
        let host = Setup::new(when_message(move |guest, _| {
            guest.send(text("is anybody there?")).unwrap();
            let guest = guest.clone();
            later(SECOND, move || if dead { dies(&guest) } else { refuses(4000, "") })
        }))
        .start();
        let mut client = host.connect().await;
        for _ in 0..3 {
            client.text("x").await;
        }
        drop(client);
        let ending = host.ending().await;
        assert_eq!(summary(&ending), (1006, Cause::Disconnected, false));
        assert_eq!(host.log.messages().len(), 1);
    }
}

fn panics(when: fn(&Event) -> bool, pending: bool) -> Host {
    Setup::new(move |_, event| match (when(event), pending) {
        (false, _) => done(),
        (true, false) => panic!("expected by the test"),
        (true, true) => Call::Pending(Box::pin(async { panic!("expected by the test") })),
    })
    .start()
}

#[tokio::test(start_paused = true)]
async fn a_panic_closes_one_connection_and_is_told() {
    for pending in [false, true] {
        let whens: [fn(&Event) -> bool; 2] =
            [|event| *event == Event::Open, |event| matches!(event, Event::Message(_))];
        for when in whens {
            let host = panics(when, pending);
            let mut client = host.connect().await;
            client.text("x").await;
            let (code, reason) = client.is_closed().await;
            assert_eq!(code, 1011);
            assert!(reason.starts_with("server failed, event "), "{reason}");
            assert_eq!(summary(&host.ending().await), (1011, Cause::Host, true));
        }
        let host = panics(|event| matches!(event, Event::Close(_)), pending);
        drop(host.connect().await);
        assert_eq!(summary(&host.ending().await), (1006, Cause::Disconnected, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_client_went_does_not_swallow_the_close() {
    let host = Setup::new(when_message(|_, _| {
        Call::Pending(Box::pin(async {
            sleep(SECOND).await;
            panic!("expected by the test")
        }))
    }))
    .start();
    let mut client = host.connect().await;
    client.text("x").await;
    client.close(1000, "").await;
    drop(client);
    host.ending().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_call_that_outlives_its_connection_does_not_swallow_the_close() {
    let host = Setup::new(when_message(|_, _| {
        Call::Pending(Box::pin(async {
            sleep(10 * SECOND).await;
            panic!("expected by the test")
        }))
    }))
    .start();
    let mut client = host.connect().await;
    client.text("x").await;
    host.log.reaches(2).await;
    host.lifeline.cut(EventId::next());
    assert_eq!(client.is_closed().await.0, 1011);
    assert_eq!(summary(&host.ending().await), (1011, Cause::PluginFailed, true));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_never_ends_leaves_no_connection_behind() {
    let host = Setup::new(|_, event| if matches!(event, Event::Close(_)) { never() } else { done() }).start();
    drop(host.connect().await);
    host.log.ends(1).await;
    let ids = socklet_core::Connections::ids(&*host.connections);
    assert_eq!((ids, host.metric("socklet_sockets")), (vec![], 0), "the socket is free while the guest takes its time");
}
