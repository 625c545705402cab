//! The import `connections`: the connections of one route of one tenant, nothing else.

use crate::{
    bindings::{
        connections::{Host, SendError},
        frames::Opcode as GuestOpcode,
        types,
    },
    convert::{message, opcode},
    meter::Meter,
    state::State,
};
use bytes::Bytes;
use socklet_core::{CloseFrame, ConnectionId, Connections, Opcode};

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

impl Host for RouteView<'_> {
    fn ids(&mut self) -> wasmtime::Result<Vec<u64>> {
        self.meter.host_call()?;
        Ok(numbers(self.route.ids()))
    }

    fn count(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        Ok(self.route.count() as u64)
    }

    fn send(&mut self, to: u64, message: types::MessageResult) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.host_call()?;
        let message = self::message(message);
        if !self.meter.queue(message.len() + OVERHEAD) {
            return Ok(Err(spent()));
        }
        Ok(self.route.send(to.into(), message.as_ref()).map_err(SendError::from))
    }

    fn send_all(&mut self, message: types::MessageResult, but: Option<u64>) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        let message = self::message(message);
        self.meter.queue_or_end(message.len() + OVERHEAD)?;
        let receivers = self.route.send_all(message.as_ref(), but.map(ConnectionId::from));
        self.meter.queue_or_end(OVERHEAD * receivers as usize)?;
        Ok(receivers)
    }

    fn send_frame(
        &mut self,
        to: u64,
        opcode: GuestOpcode,
        fin: bool,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), SendError>> {
        self.meter.host_call()?;
        let opcode = self::opcode(opcode);
        if opcode == Opcode::Close {
            return Ok(Err(SendError::Invalid));
        }
        if !self.meter.queue(payload.len() + OVERHEAD) {
            return Ok(Err(spent()));
        }
        Ok(self.route.send_frame(to.into(), opcode, fin, &payload).map_err(SendError::from))
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
        self.meter.host_call()?;
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
        self.meter.host_call()?;
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

fn spent() -> SendError {
    SendError::Other("the call has used up its budget of queued bytes".into())
}

pub(super) fn numbers(ids: Vec<ConnectionId>) -> Vec<u64> {
    ids.into_iter().map(ConnectionId::get).collect()
}
