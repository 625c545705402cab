//! Between the words of `core` and the bindings.

use crate::bindings::{behavior, frame_hook, frames, types};
use socklet_core::{Cause, Ending, Field, Frame, Message, Opcode, Principal, Response, UpgradeRequest};

/// A request, borrowed: the lists that a lowered request points into.
pub(crate) struct RequestView<'a> {
    request: &'a UpgradeRequest,
    headers: Vec<types::FieldParam<'a>>,
    captures: Vec<(&'a str, &'a str)>,
    attributes: Vec<(&'a str, &'a str)>,
    client_ip: String,
}

/// A principal, borrowed.
pub(crate) struct PrincipalView<'a> {
    principal: &'a Principal,
    attributes: Vec<(&'a str, &'a str)>,
}

/// The header fields that a behavior does not see without a grant.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

// === impl RequestView ===

impl<'a> RequestView<'a> {
    pub(crate) fn new(request: &'a UpgradeRequest, credentials: bool) -> Self {
        let visible = |field: &&Field| credentials || !CREDENTIALS.contains(&field.name.as_str());
        let headers = request.headers.iter().filter(visible);
        Self {
            request,
            headers: headers.map(|field| types::FieldParam { name: &field.name, value: &field.value }).collect(),
            captures: pairs(&request.captures),
            attributes: pairs(&request.attributes),
            client_ip: request.client_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        }
    }

    pub(crate) fn lower(&'a self) -> types::Request<'a> {
        let request = self.request;
        types::Request {
            connection: request.connection.get(),
            listener: &request.listener,
            method: &request.method,
            secure: request.secure,
            authority: &request.authority,
            path: &request.path,
            query: request.query.as_deref(),
            headers: &self.headers,
            captures: &self.captures,
            client_ip: &self.client_ip,
            client_port: request.client_port,
            attributes: &self.attributes,
        }
    }
}

// === impl PrincipalView ===

impl<'a> PrincipalView<'a> {
    pub(crate) fn new(principal: &'a Principal) -> Self {
        Self { principal, attributes: pairs(principal.attributes()) }
    }

    pub(crate) fn lower(&'a self) -> types::PrincipalParam<'a> {
        types::PrincipalParam {
            subject: self.principal.subject(),
            attributes: &self.attributes,
            expires_at: self.principal.expires_at(),
        }
    }
}

fn pairs(list: &[(String, String)]) -> Vec<(&str, &str)> {
    list.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// A message for the guest.
pub(crate) fn lower_message(message: &Message) -> types::MessageParam<'_> {
    match message {
        Message::Text(text) => types::MessageParam::Text(text),
        Message::Binary(bytes) => types::MessageParam::Binary(bytes),
    }
}

/// A frame for the guest.
pub(crate) fn lower_frame(frame: &Frame) -> frame_hook::Frame<'_> {
    let opcode = match frame.opcode {
        Opcode::Continuation => frame_hook::Opcode::Continuation,
        Opcode::Text => frame_hook::Opcode::Text,
        Opcode::Binary => frame_hook::Opcode::Binary,
        Opcode::Close => frame_hook::Opcode::Close,
        Opcode::Ping => frame_hook::Opcode::Ping,
        Opcode::Pong => frame_hook::Opcode::Pong,
    };
    frame_hook::Frame { opcode, fin: frame.fin, payload: &frame.payload }
}

/// An ending for the guest.
pub(crate) fn lower_ending(ending: &Ending) -> behavior::Ending<'_> {
    let cause = match ending.cause {
        Cause::Client => behavior::Cause::Client,
        Cause::Plugin => behavior::Cause::Plugin,
        Cause::Operator => behavior::Cause::Operator,
        Cause::Disconnected => behavior::Cause::Disconnected,
        Cause::Heartbeat => behavior::Cause::Heartbeat,
        Cause::Protocol => behavior::Cause::Protocol,
        Cause::Limit => behavior::Cause::Limit,
        Cause::SlowConsumer => behavior::Cause::SlowConsumer,
        Cause::Expired => behavior::Cause::Expired,
        Cause::PluginFailed => behavior::Cause::PluginFailed,
        Cause::Host => behavior::Cause::Host,
    };
    behavior::Ending {
        close: types::CloseFrameParam { code: ending.frame.code().get(), reason: ending.frame.reason() },
        cause,
        clean: ending.clean,
        duration_ms: ending.duration.as_millis() as u64,
        messages_received: ending.messages_received,
        messages_sent: ending.messages_sent,
    }
}

pub(crate) fn opcode(opcode: frames::Opcode) -> Opcode {
    match opcode {
        frames::Opcode::Continuation => Opcode::Continuation,
        frames::Opcode::Text => Opcode::Text,
        frames::Opcode::Binary => Opcode::Binary,
        frames::Opcode::Close => Opcode::Close,
        frames::Opcode::Ping => Opcode::Ping,
        frames::Opcode::Pong => Opcode::Pong,
    }
}

pub(crate) fn fields(fields: Vec<types::FieldResult>) -> Vec<Field> {
    fields.into_iter().map(|field| Field { name: field.name, value: field.value }).collect()
}

pub(crate) fn response(response: types::Response) -> Response {
    Response { status: response.status, headers: fields(response.headers), body: response.body.into() }
}
