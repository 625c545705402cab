//! The import `connections`: the connections of one route of one tenant, nothing else.

use crate::{
    bindings::{
        connections::{Host, HostWithStore, SendError},
        frames::Opcode as GuestOpcode,
        types,
    },
    convert::opcode,
    meter::Meter,
    state::State,
};
use bytes::Bytes;
use socklet_core::{CloseFrame, ConnectionId, Connections, MessageRef, Opcode};
use wasmtime::{AsContext, component::Access};

/// What a message costs of the budget of queued bytes beside its payload, per call.
pub(super) const OVERHEAD: usize = 64;

/// What `connections` and `topics` can reach.
pub(crate) struct RouteView<'a> {
    pub(super) route: &'a dyn Connections,
    pub(super) meter: &'a mut Meter,
}

// === impl RouteView ===

impl RouteView<'_> {
    pub(super) fn of(state: &mut State) -> RouteView<'_> {
        let route = state.scope.connections.as_deref().expect("only behaviors are linked to connections");
        RouteView { route, meter: &mut state.meter }
    }
}

impl HostWithStore<State> for RouteView<'static> {
    fn send(
        mut host: Access<State, Self>,
        to: u64,
        message: types::MessageResult,
    ) -> wasmtime::Result<Result<(), SendError>> {
        host.get().meter.act()?;
        let (cost, sent) = in_place(&host, &message, |route, meter, message| {
            let cost = message.len() + OVERHEAD;
            (cost, meter.has_room(cost).then(|| route.send(to.into(), message)))
        })?;
        let Some(sent) = sent else { return Ok(Err(spent())) };
        let meter = host.get().meter;
        meter.queue_or_end(cost)?;
        if sent.is_ok() {
            meter.sent(1, (cost - OVERHEAD) as u64);
        }
        Ok(sent.map_err(SendError::from))
    }

    fn send_all(
        mut host: Access<State, Self>,
        message: types::MessageResult,
        but: Option<u64>,
    ) -> wasmtime::Result<u64> {
        host.get().meter.act()?;
        fan_out(host, &message, |route, message| route.send_all(message, but.map(ConnectionId::from)))
    }
}

impl Host for RouteView<'_> {
    fn ids(&mut self) -> wasmtime::Result<Vec<u64>> {
        self.meter.host_call()?;
        Ok(numbers(self.route.ids()))
    }

    fn count(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        Ok(self.route.count() as u64)
    }

    fn send_frame(
        &mut self,
        to: u64,
        opcode: GuestOpcode,
        fin: bool,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.act()?;
        let opcode = self::opcode(opcode);
        if opcode == Opcode::Close {
            return Ok(Err(SendError::Invalid));
        }
        if !self.meter.queue(payload.len() + OVERHEAD) {
            return Ok(Err(spent()));
        }
        let sent = self.route.send_frame(to.into(), opcode, fin, &payload);
        if sent.is_ok() {
            self.meter.sent(fin.into(), payload.len() as u64);
        }
        Ok(sent.map_err(SendError::from))
    }

    async fn flush(&mut self, connection: u64) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.host_call()?;
        Ok(self.route.flush(connection.into()).await.map_err(SendError::from))
    }

    fn queued(&mut self, connection: u64) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        Ok(self.route.queued(connection.into()))
    }

    fn close(&mut self, connection: u64, close: types::CloseFrameResult) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.act()?;
        let Ok(frame) = CloseFrame::from_application(close.code, close.reason) else {
            return Ok(Err(SendError::Invalid));
        };
        Ok(self.route.close(connection.into(), frame).map_err(SendError::from))
    }

    fn principal_of(&mut self, connection: u64) -> wasmtime::Result<Option<types::PrincipalResult>> {
        self.meter.host_call()?;
        Ok(self.route.principal_of(connection.into()).map(|principal| types::PrincipalResult {
            subject: principal.subject().to_owned(),
            attributes: principal.attributes().to_vec(),
            expires_at: principal.expires_at(),
        }))
    }

    fn attachment(&mut self, connection: u64) -> wasmtime::Result<Vec<u8>> {
        self.meter.host_call()?;
        Ok(self.route.attachment(connection.into()).into())
    }

    fn set_attachment(&mut self, connection: u64, value: Vec<u8>) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.act()?;
        Ok(self.route.set_attachment(connection.into(), Bytes::from(value)).map_err(SendError::from))
    }
}

// === impl SendError ===

impl From<socklet_core::SendError> for SendError {
    fn from(error: socklet_core::SendError) -> Self {
        use socklet_core::SendError as Core;
        match error {
            Core::Unknown => Self::Unknown,
            Core::NotOpen => Self::NotOpen,
            Core::Full => Self::Full,
            Core::Invalid => Self::Invalid,
            Core::TooLarge => Self::Other("larger than the send queue".into()),
        }
    }
}

/// Hands a message on as it lies in the guest's memory.
fn in_place<R>(
    host: &Access<State, RouteView<'static>>,
    message: &types::MessageResult,
    with: impl FnOnce(&dyn Connections, &Meter, MessageRef<'_>) -> R,
) -> wasmtime::Result<R> {
    let store = host.as_context();
    let State { scope, meter, .. } = store.data();
    let route = scope.connections.as_deref().expect("only behaviors are linked to connections");
    Ok(match message {
        types::MessageResult::Text(text) => with(route, meter, MessageRef::Text(&text.to_str(store)?)),
        types::MessageResult::Binary(bytes) => with(route, meter, MessageRef::Binary(bytes.as_le_slice(store))),
    })
}

/// Sends a message to many, and takes what that costs from the budget: the payload once, and a little for each.
pub(super) fn fan_out(
    mut host: Access<State, RouteView<'static>>,
    message: &types::MessageResult,
    send: impl FnOnce(&dyn Connections, MessageRef<'_>) -> u64,
) -> wasmtime::Result<u64> {
    let (cost, receivers) = in_place(&host, message, |route, meter, message| {
        let cost = message.len() + OVERHEAD;
        (cost, meter.has_room(cost).then(|| send(route, message)))
    })?;
    let meter = host.get().meter;
    meter.queue_or_end(cost)?;
    let receivers = receivers.unwrap_or_default();
    meter.sent(receivers, receivers * (cost - OVERHEAD) as u64);
    meter.queue_or_end(OVERHEAD * receivers as usize)?;
    Ok(receivers)
}

fn spent() -> SendError {
    SendError::Other("the call has used up its budget of queued bytes".into())
}

pub(super) fn numbers(ids: Vec<ConnectionId>) -> Vec<u64> {
    ids.into_iter().map(ConnectionId::get).collect()
}
