//! Whose turn it is at an instance that is shared: who gives up is skipped, and nobody is forgotten.

use crate::harness::{Client, Host};
use socklet_core::{Answer, BoxFuture, Call, CallError, Event, Message};
use socklet_plugin::InstancePolicy;
use std::task::{Context, Poll, Waker};

type Going = BoxFuture<Result<Answer, CallError>>;

/// A call that really waits, polled once: it holds the instance, or has its place in the queue, unless it is done already.
fn flush(client: &mut Client) -> Going {
    let Call::Pending(mut call) = client.session.call(Event::Message(Message::Text("flush".into()))) else {
        panic!("a flush is never done at once here");
    };
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Box::pin(async { outcome }),
        Poll::Pending => call,
    }
}

async fn clients(host: &Host, number: usize) -> Vec<Client> {
    let route = host.route("reporter", InstancePolicy::Shared).await;
    let mut clients = Vec::new();
    for _ in 0..number {
        clients.push(route.connect("").await);
    }
    clients
}

#[tokio::test]
async fn a_turn_that_nobody_takes_goes_to_the_next() {
    let host = Host::new();
    for round in 0..30 {
        let mut clients = clients(&host, 4).await;
        let mut calls: Vec<Going> = clients.iter_mut().map(flush).collect();
        // From the middle of the queue, at another moment each time: before, while and after the turn is handed to it. When it
        // has begun already, the instance goes with it.
        let gone = calls.remove(1);
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        drop(gone);
        for call in calls {
            let outcome = call.await;
            assert!(outcome.is_ok() || clients[0].session.lifeline().death().is_some(), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn who_dies_wakes_everybody() {
    let host = Host::new();
    let mut clients = clients(&host, 3).await;
    let mut calls: Vec<Going> = clients.iter_mut().map(flush).collect();
    let waiting = calls.split_off(1);
    // Given up while it goes on: the instance is dropped, unless all were done before that.
    drop(calls);
    for call in waiting {
        let outcome = call.await;
        assert!(outcome.is_ok() || clients[0].session.lifeline().death().is_some(), "{outcome:?}");
    }
}
