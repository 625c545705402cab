//! `/v1/routes`: what is served, and what an operator says to all of a route.

use super::{
    Problem,
    call::{Call, Reply, json},
    message::Message,
    page::{Name, OfTenant, page},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socklet_core::{
    ConnectionId, Connections, Heartbeat,
    units::{show_duration, show_size},
};
use socklet_server::{ConnectionLimits, RouteConfig, RouteView, SlowConsumer};

/// Routes, by tenant and name.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// A route.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Route {
    #[schemars(with = "Name")]
    tenant: String,
    #[schemars(with = "Name")]
    name: String,
    /// The listeners that serve it; none: all.
    #[schemars(with = "Vec<Name>")]
    listeners: Vec<String>,
    /// The hosts that it serves; none: all.
    hosts: Vec<String>,
    /// The paths that it serves.
    path: String,
    /// The plugins that judge its requests, in order.
    #[schemars(with = "Vec<Name>")]
    authenticators: Vec<String>,
    /// The plugin that serves its connections; null where it serves only files.
    #[schemars(with = "Option<Name>")]
    behavior: Option<String>,
    /// Whether it serves files, too.
    files: bool,
    /// Open connections.
    connections: usize,
    /// The heartbeat as it is now.
    heartbeat: HeartbeatInfo,
    /// What each connection may do, as it is now.
    limits: Limits,
}

/// A heartbeat.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HeartbeatInfo {
    /// How long a connection is idle before a ping, such as `20s`.
    interval: String,
    /// What the ping carries.
    message: String,
}

/// What each connection may do, as the configuration writes it: durations `20s`, sizes `64KiB`, rates `100/s`, and `none` for a limit that
/// is off.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Limits {
    max_message_size: String,
    max_frame_size: String,
    max_fragments: usize,
    max_inflated_ratio: usize,
    control_frame_rate: String,
    messages_per_second: String,
    bytes_per_second: String,
    send_queue_max_bytes: String,
    #[schemars(extend("enum" = ["close", "drop-newest", "drop-oldest"]))]
    slow_consumer: &'static str,
    send_timeout: String,
    close_timeout: String,
    pong_timeout: String,
    idle_timeout: String,
    max_lifetime: String,
    /// A number, or `none`.
    max_connections: String,
}

/// Whom not to send to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct But {
    /// A connection that is left out.
    #[schemars(with = "Option<super::page::Id>")]
    but: Option<u64>,
}

/// A message to many.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Accepted {
    /// How many connections it was queued for.
    accepted: u64,
}

/// `GET /v1/routes`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let OfTenant { tenant, cursor, limit } = call.query()?;
    let Ok(tenant) = call.scope(tenant) else { return json(&Routes { routes: Vec::new(), next: None }) };
    let fits = |route: &RouteView| tenant.as_ref().is_none_or(|tenant| tenant == route.tenant().name());
    let all = call.state.server.routes().into_iter().filter(fits);
    let key = |route: &RouteView| format!("{}/{}", route.tenant(), route.config().name);
    let (routes, next) = page(all, cursor.as_deref(), limit, key);
    json(&Routes { routes: routes.iter().map(Route::of).collect(), next })
}

/// `GET /v1/routes/{tenant}/{route}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    json(&Route::of(&find(call)?))
}

/// `POST /v1/routes/{tenant}/{route}/messages`
pub(super) async fn send_all(call: &mut Call) -> Result<Reply, Problem> {
    let But { but } = call.query()?;
    let route = find(call)?;
    let message = Message::read(call).await?;
    let accepted = route.connections().send_all(message.as_ref(), but.map(ConnectionId::from));
    json(&Accepted { accepted })
}

/// `POST /v1/routes/{tenant}/{route}/topics/{topic}/messages`
pub(super) async fn publish(call: &mut Call) -> Result<Reply, Problem> {
    let But { but } = call.query()?;
    let route = find(call)?;
    let topic = call.captured("topic").to_owned();
    if !(1..=255).contains(&topic.len()) {
        return Err(Problem::NoSuchPath);
    }
    let message = Message::read(call).await?;
    let accepted = route.connections().publish(&topic, message.as_ref(), but.map(ConnectionId::from));
    json(&Accepted { accepted })
}

pub(super) fn find(call: &Call) -> Result<RouteView, Problem> {
    let (tenant, route) = (call.captured("tenant"), call.captured("route"));
    let found = call.state.server.route(tenant, route);
    found.ok_or_else(|| Problem::NoSuch("route", format!("{tenant}/{route}")))
}

// === impl Route ===

impl Route {
    fn of(route: &RouteView) -> Self {
        let RouteConfig { name, listeners, hosts, path, files, .. } = route.config();
        Self {
            tenant: route.tenant().to_string(),
            name: name.to_string(),
            listeners: listeners.iter().map(ToString::to_string).collect(),
            hosts: hosts.clone(),
            path: path.to_string(),
            authenticators: route.authenticators().map(ToString::to_string).collect(),
            behavior: route.behavior().map(ToString::to_string),
            files: files.is_some(),
            connections: route.connections().count(),
            heartbeat: HeartbeatInfo::of(&route.connections().heartbeat()),
            limits: Limits::of(&route.connections().limits()),
        }
    }
}

// === impl HeartbeatInfo ===

impl HeartbeatInfo {
    fn of(heartbeat: &Heartbeat) -> Self {
        Self { interval: show_duration(heartbeat.interval()), message: heartbeat.payload().to_string() }
    }
}

// === impl Limits ===

impl Limits {
    fn of(limits: &ConnectionLimits) -> Self {
        fn or_none<T>(limit: Option<T>, show: impl Fn(T) -> String) -> String {
            limit.map_or("none".to_owned(), show)
        }
        let ConnectionLimits {
            max_message_size,
            max_frame_size,
            max_fragments,
            max_inflated_ratio,
            control_frame_rate,
            messages_per_second,
            bytes_per_second,
            send_queue_max_bytes,
            slow_consumer,
            send_timeout,
            close_timeout,
            pong_timeout,
            idle_timeout,
            max_lifetime,
            max_connections,
        } = limits;
        Self {
            max_message_size: show_size(*max_message_size as u64),
            max_frame_size: show_size(*max_frame_size as u64),
            max_fragments: *max_fragments,
            max_inflated_ratio: *max_inflated_ratio,
            control_frame_rate: control_frame_rate.to_string(),
            messages_per_second: or_none(*messages_per_second, |rate| rate.to_string()),
            bytes_per_second: or_none(*bytes_per_second, show_size),
            send_queue_max_bytes: show_size(*send_queue_max_bytes as u64),
            slow_consumer: match slow_consumer {
                SlowConsumer::Close => "close",
                SlowConsumer::DropNewest => "drop-newest",
                SlowConsumer::DropOldest => "drop-oldest",
            },
            send_timeout: show_duration(*send_timeout),
            close_timeout: show_duration(*close_timeout),
            pong_timeout: show_duration(*pong_timeout),
            idle_timeout: or_none(*idle_timeout, show_duration),
            max_lifetime: or_none(*max_lifetime, show_duration),
            max_connections: or_none(*max_connections, |max| max.to_string()),
        }
    }
}
