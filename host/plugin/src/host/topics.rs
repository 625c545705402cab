//! The import `topics`: named groups of connections inside one route.

use super::connections::{RouteView, fan_out, numbers};
use crate::{
    bindings::{
        topics::{Host, HostWithStore},
        types,
    },
    state::State,
};
use socklet_core::ConnectionId;
use wasmtime::component::Access;

impl HostWithStore<State> for RouteView<'static> {
    fn publish(
        mut host: Access<State, Self>,
        topic: String,
        message: types::MessageResult,
        but: Option<u64>,
    ) -> wasmtime::Result<u64> {
        host.get().meter.act()?;
        fan_out(host, &message, |route, message| route.publish(&topic, message, but.map(ConnectionId::from)))
    }
}

impl Host for RouteView<'_> {
    fn subscribe(&mut self, connection: u64, topic: String) -> wasmtime::Result<Result<(), String>> {
        self.meter.act()?;
        Ok(self.route.subscribe(connection.into(), &topic).map_err(|error| error.to_string()))
    }

    fn unsubscribe(&mut self, connection: u64, topic: String) -> wasmtime::Result<()> {
        self.meter.act()?;
        self.route.unsubscribe(connection.into(), &topic);
        Ok(())
    }

    fn subscribers(&mut self, topic: String) -> wasmtime::Result<Vec<u64>> {
        self.meter.host_call()?;
        Ok(numbers(self.route.subscribers(&topic)))
    }
}
