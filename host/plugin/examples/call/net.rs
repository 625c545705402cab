//! Connections that are nothing but a buffer each: what is sent is copied there, as a server would encode it.

use bytes::Bytes;
use socklet_core::{
    BoxFuture, CloseFrame, ConnectionId, Connections, Heartbeat, MessageRef, Opcode, Principal, SendError,
    SubscribeError,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// The buffers.
#[derive(Debug, Default)]
pub(crate) struct Net(Mutex<HashMap<ConnectionId, Vec<u8>>>);

impl Net {
    pub(crate) fn insert(&self, connection: ConnectionId) {
        self.0.lock().unwrap().insert(connection, Vec::new());
    }
}

impl Connections for Net {
    fn ids(&self) -> Vec<ConnectionId> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        let mut connections = self.0.lock().unwrap();
        let buffer = connections.get_mut(&to).ok_or(SendError::Unknown)?;
        buffer.clear();
        buffer.extend_from_slice(message.as_bytes());
        Ok(())
    }

    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.ids().into_iter().filter(|id| Some(*id) != but && self.send(*id, message).is_ok()).count() as u64
    }

    fn send_frame(&self, to: ConnectionId, _: Opcode, _: bool, payload: &[u8]) -> Result<(), SendError> {
        self.send(to, MessageRef::Binary(payload))
    }

    fn flush(&self, _: ConnectionId) -> BoxFuture<Result<(), SendError>> {
        Box::pin(async { Ok(()) })
    }

    fn queued(&self, _: ConnectionId) -> u64 {
        0
    }

    fn replace(&self, _: ConnectionId) -> Result<(), SendError> {
        Ok(())
    }

    fn close(&self, _: ConnectionId, _: CloseFrame) -> Result<(), SendError> {
        Ok(())
    }

    fn principal_of(&self, _: ConnectionId) -> Option<Arc<Principal>> {
        None
    }

    fn attachment(&self, _: ConnectionId) -> Bytes {
        Bytes::new()
    }

    fn set_attachment(&self, _: ConnectionId, _: Bytes) -> Result<(), SendError> {
        Ok(())
    }

    fn subscribe(&self, _: ConnectionId, _: &str) -> Result<(), SubscribeError> {
        Ok(())
    }

    fn unsubscribe(&self, _: ConnectionId, _: &str) {}

    fn publish(&self, _: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.send_all(message, but)
    }

    fn subscribers(&self, _: &str) -> Vec<ConnectionId> {
        self.ids()
    }

    fn heartbeat(&self) -> Heartbeat {
        Heartbeat::default()
    }

    fn set_heartbeat(&self, _: Heartbeat) {}
}
