//! Everybody hears everything, on tokio-tungstenite: a queue for each connection, one encode and one send for each message.

use crate::Ended;
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::TcpStream,
    sync::mpsc::{Sender, channel},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// Messages that may wait for a connection.
const QUEUE: usize = 256;

/// The queues of everybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    last: u64,
    queues: HashMap<u64, Sender<Message>>,
}

/// Takes a connection out of its room.
struct Place {
    room: Room,
    id: u64,
}

// === impl Room ===

impl Room {
    fn enter(&self, queue: Sender<Message>) -> Place {
        self.with(|members| {
            members.last += 1;
            members.queues.insert(members.last, queue);
            Place { room: self.clone(), id: members.last }
        })
    }

    /// A connection whose queue is full misses the message; the load would notice.
    fn say(&self, message: &Message) {
        self.with(|members| members.queues.values().for_each(|queue| drop(queue.try_send(message.clone()))));
    }

    fn with<T>(&self, what: impl FnOnce(&mut Members) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.with(|members| members.queues.remove(&self.id));
    }
}

/// Serves a connection.
pub(crate) async fn serve(stream: TcpStream, room: Room) -> Ended {
    let mut socket = accept_async(stream).await?;
    let (sender, mut queue) = channel(QUEUE);
    let place = room.enter(sender);
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                let message = message?;
                if message.is_text() || message.is_binary() {
                    place.room.say(&message);
                }
            }
            Some(message) = queue.recv() => socket.send(message).await?,
        }
    }
}
