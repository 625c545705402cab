//! The import `heartbeat`: the heartbeat of one route.

use crate::{bindings::heartbeat::Host, meter::Meter, state::State};
use socklet_core::{Connections, Heartbeat};
use std::time::Duration;

/// What `heartbeat` can reach.
pub(crate) struct HeartbeatView<'a> {
    route: &'a dyn Connections,
    meter: &'a mut Meter,
}

// === impl HeartbeatView ===

impl HeartbeatView<'_> {
    pub(super) fn of(state: &mut State) -> HeartbeatView<'_> {
        let route = state.scope.connections.as_deref().expect("only behaviors are linked to the heartbeat");
        HeartbeatView { route, meter: &mut state.meter }
    }
}

impl Host for HeartbeatView<'_> {
    fn interval_seconds(&mut self) -> wasmtime::Result<u32> {
        self.meter.host_call()?;
        Ok(self.route.heartbeat().interval().as_secs().try_into().unwrap_or(u32::MAX))
    }

    fn set_interval_seconds(&mut self, seconds: u32) -> wasmtime::Result<Result<(), String>> {
        self.meter.act()?;
        let payload = self.route.heartbeat().payload().clone();
        Ok(set(self.route, Heartbeat::new(Duration::from_secs(seconds.into()), payload)))
    }

    fn payload(&mut self) -> wasmtime::Result<String> {
        self.meter.host_call()?;
        Ok(self.route.heartbeat().payload().to_string())
    }

    fn set_payload(&mut self, payload: String) -> wasmtime::Result<Result<(), String>> {
        self.meter.act()?;
        let interval = self.route.heartbeat().interval();
        Ok(set(self.route, Heartbeat::new(interval, payload)))
    }
}

fn set(route: &dyn Connections, heartbeat: Result<Heartbeat, socklet_core::InvalidHeartbeat>) -> Result<(), String> {
    heartbeat.map(|heartbeat| route.set_heartbeat(heartbeat)).map_err(|error| error.to_string())
}
