//! `/v1/connections`: who is connected, and what an operator says to one of them.

use super::{
    Problem,
    call::{Call, Reply, json, parsed},
    message::Message,
    page::{Id, Limit, Name},
};
use crate::rfc3339::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socklet_core::{CloseFrame, ConnectionId, InstanceStatus, ListenerName, RouteName, TenantName};
use socklet_server::{ConnectionFilter, ConnectionView, Traffic};

/// Which connections are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those of this tenant's routes.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    tenant: Option<TenantName>,
    /// Those of routes of this name.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    route: Option<RouteName>,
    /// Those that came in through this listener.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    listener: Option<ListenerName>,
    /// Those that belong to this principal, by its subject.
    principal: Option<String>,
    /// What the page before said is `next`.
    #[schemars(with = "Option<Id>")]
    cursor: Option<u64>,
    /// The most entries of the page.
    #[serde(default)]
    limit: Limit,
}

/// Connections, by id.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Connections {
    connections: Vec<Connection>,
    /// The cursor of the next page.
    #[schemars(with = "Option<Id>")]
    next: Option<u64>,
}

/// A connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Connection {
    #[schemars(with = "Id")]
    id: u64,
    /// Who its route belongs to.
    #[schemars(with = "Name")]
    tenant: String,
    #[schemars(with = "Name")]
    route: String,
    /// The listener that accepted it.
    #[schemars(with = "Name")]
    listener: String,
    /// The client's address and port; null on a UNIX socket.
    peer: Option<String>,
    /// The subject of the principal that it belongs to; null where nobody was asked.
    principal: Option<String>,
    subprotocol: Option<String>,
    /// When it was let in.
    #[schemars(extend("format" = "date-time"))]
    opened_at: String,
    /// `opening`, `open` or `closing`.
    #[schemars(extend("enum" = ["opening", "open", "closing"]))]
    state: &'static str,
    /// Complete messages that arrived.
    messages_received: u64,
    /// Bytes of their payloads.
    bytes_received: u64,
    /// Messages that were queued for the client.
    messages_sent: u64,
    /// Bytes that were written, frame headers included.
    bytes_sent: u64,
    /// Bytes queued and not yet written.
    queued_bytes: u64,
    /// The instance that serves it; null when it has none at this moment.
    instance: Option<Instance>,
}

/// The instance of a plugin that serves a connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Instance {
    #[schemars(with = "Name")]
    plugin: String,
    /// Counts the versions of the plugin since the server was started, from 1.
    version: u32,
    #[schemars(extend("enum" = ["busy", "live", "hibernated", "dead"]))]
    state: &'static str,
    /// Why it is awake; null while it sleeps.
    awake: Option<String>,
}

/// How to close.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Farewell {
    /// The close code: 1000, 1001, 1003, 1007 to 1014, 3000 to 4999.
    #[serde(default = "away")]
    #[schemars(extend("anyOf" = [
        { "enum": [1000, 1001, 1003] }, { "minimum": 1007, "maximum": 1014 }, { "minimum": 3000, "maximum": 4999 },
    ]))]
    code: u16,
    /// The reason: at most 123 bytes.
    #[serde(default)]
    #[schemars(length(max = 123))]
    reason: String,
}

/// A connection that is being closed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Closed {
    #[schemars(with = "Id")]
    connection: u64,
    /// False: it was being closed already.
    changed: bool,
}

/// A message that is queued for one connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Sent {
    #[schemars(with = "Id")]
    connection: u64,
    /// Bytes queued for it and not yet written.
    queued_bytes: u64,
}

fn away() -> u16 {
    1001
}

/// `GET /v1/connections`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let Which { tenant, route, listener, principal, cursor, limit } = call.query()?;
    let Ok(tenant) = call.scope(tenant) else { return json(&Connections { connections: Vec::new(), next: None }) };
    let filter = ConnectionFilter { tenant, route, listener, principal };
    let after = cursor.map(ConnectionId::from);
    let mut found = call.state.server.connections_by_id(&filter, after, limit.get() + 1);
    let more = found.len() > limit.get();
    found.truncate(limit.get());
    let next = found.last().filter(|_| more).map(|last| last.id.get());
    json(&Connections { connections: found.into_iter().map(Connection::from).collect(), next })
}

/// `GET /v1/connections/{id}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    json(&Connection::from(find(call)?))
}

/// `DELETE /v1/connections/{id}`
pub(super) async fn close(call: &mut Call) -> Result<Reply, Problem> {
    let Farewell { code, reason } = call.query()?;
    let frame = CloseFrame::from_application(code, reason).map_err(|error| Problem::Query(error.to_string()))?;
    let id = find(call)?.id;
    call.detail(format!("code {code}"));
    let changed = call.state.server.close(id, frame).ok_or_else(|| unknown(call))?;
    json(&Closed { connection: id.get(), changed })
}

/// `POST /v1/connections/{id}/messages`
pub(super) async fn send(call: &mut Call) -> Result<Reply, Problem> {
    let id = find(call)?.id;
    let message = Message::read(call).await?;
    call.state.server.send(id, message.as_ref()).map_err(Problem::Send)?;
    let queued_bytes = call.state.server.connection(id).map_or(0, |view| view.queued_bytes);
    json(&Sent { connection: id.get(), queued_bytes })
}

fn find(call: &Call) -> Result<ConnectionView, Problem> {
    let id = call.captured("id").parse::<u64>().ok();
    let found = id.and_then(|id| call.state.server.connection(id.into()));
    found.filter(|view| call.sees(&view.tenant)).ok_or_else(|| unknown(call))
}

fn unknown(call: &Call) -> Problem {
    Problem::NoSuch("connection", call.captured("id").to_owned())
}

// === impl Connection ===

impl From<ConnectionView> for Connection {
    fn from(view: ConnectionView) -> Self {
        let Traffic { messages_received, bytes_received, messages_sent, bytes_sent } = view.traffic;
        Self {
            id: view.id.get(),
            tenant: view.tenant.to_string(),
            route: view.route.to_string(),
            listener: view.listener.to_string(),
            peer: view.peer.map(|peer| peer.to_string()),
            principal: view.principal.map(|principal| principal.subject().to_owned()),
            subprotocol: view.subprotocol,
            opened_at: rfc3339(view.since),
            state: view.state.as_str(),
            messages_received,
            bytes_received,
            messages_sent,
            bytes_sent,
            queued_bytes: view.queued_bytes,
            instance: view.instance.map(Instance::from),
        }
    }
}

impl From<InstanceStatus> for Instance {
    fn from(status: InstanceStatus) -> Self {
        let InstanceStatus { plugin, version, state, awake } = status;
        Self { plugin: plugin.to_string(), version, state: state.as_str(), awake }
    }
}
