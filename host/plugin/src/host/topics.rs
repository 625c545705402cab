//! The import `topics`: named groups of connections inside one route.

use super::connections::{OVERHEAD, RouteView, numbers};
use crate::{
    bindings::{topics::Host, types},
    convert::message,
};
use socklet_core::ConnectionId;

impl Host for RouteView<'_> {
    fn subscribe(&mut self, connection: u64, topic: String) -> wasmtime::Result<Result<(), String>> {
        self.meter.host_call()?;
        Ok(self.route.subscribe(connection.into(), &topic).map_err(|error| error.to_string()))
    }

    fn unsubscribe(&mut self, connection: u64, topic: String) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        self.route.unsubscribe(connection.into(), &topic);
        Ok(())
    }

    fn publish(&mut self, topic: String, message: types::MessageResult, but: Option<u64>) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        let message = self::message(message);
        self.meter.queue_or_end(message.len() + OVERHEAD)?;
        let receivers = self.route.publish(&topic, message.as_ref(), but.map(ConnectionId::from));
        self.meter.queue_or_end(OVERHEAD * receivers as usize)?;
        Ok(receivers)
    }

    fn subscribers(&mut self, topic: String) -> wasmtime::Result<Vec<u64>> {
        self.meter.host_call()?;
        Ok(numbers(self.route.subscribers(&topic)))
    }
}
