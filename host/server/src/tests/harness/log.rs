//! What the guests were told, and whether the contract between the server and a session was kept.

use socklet_core::{ConnectionId, Ending, Event, Message};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// The events of all connections in the order of their calls.
#[derive(Debug)]
pub(crate) struct Log {
    events: Mutex<Vec<(ConnectionId, Event)>>,
    faults: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { events: Mutex::default(), faults: Mutex::default(), count: watch::Sender::new(0) }
    }

    pub(super) fn told(&self, id: ConnectionId, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push((id, event));
        self.count.send_modify(|count| *count += 1);
    }

    pub(super) fn fault(&self, fault: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.all().into_iter().map(|(_, event)| event).collect()
    }

    pub(crate) fn all(&self) -> Vec<(ConnectionId, Event)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
        self.events().into_iter().filter_map(message).collect()
    }

    pub(crate) fn endings(&self) -> Vec<Ending> {
        let ending = |event| if let Event::Close(ending) = event { Some(ending) } else { None };
        self.events().into_iter().filter_map(ending).collect()
    }

    /// Waits until so many calls were made.
    pub(crate) async fn reaches(&self, calls: usize) {
        let mut count = self.count.subscribe();
        let reached = timeout(Duration::from_secs(600), count.wait_for(|count| *count >= calls)).await;
        reached.unwrap_or_else(|_| panic!("{:?}", self.events())).unwrap();
    }

    /// Waits until so many connections were told of their end.
    pub(crate) async fn ends(&self, connections: usize) {
        let mut count = self.count.subscribe();
        let ended = count.wait_for(|_| self.endings().len() >= connections);
        timeout(Duration::from_secs(600), ended).await.unwrap_or_else(|_| panic!("{:?}", self.events())).unwrap();
    }

    /// Every open connection was told of its end once, last, and nothing came before its open.
    pub(super) fn check(&self, all_ended: bool) {
        assert_eq!(*self.faults.lock().unwrap(), Vec::<String>::new());
        let mut of_each = HashMap::<_, Vec<Event>>::new();
        for (id, event) in self.all() {
            of_each.entry(id).or_default().push(event);
        }
        for events in of_each.values() {
            let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
            let closes = count(|event| matches!(event, Event::Close(_)));
            assert_eq!(count(|event| matches!(event, Event::Open)), 1, "{events:?}");
            assert!(matches!(events.first(), Some(Event::Open)), "{events:?}");
            assert!(closes == 1 || closes == 0 && !all_ended, "{events:?}");
            assert!(closes == 0 || matches!(events.last(), Some(Event::Close(_))), "{events:?}");
        }
    }
}
