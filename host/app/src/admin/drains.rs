//! `/v1/drain`, `/v1/drains`: the node or a part of it is emptied, watched, and taken back.

use super::{
    Problem,
    call::{Call, NoQuery, Reply, json, parsed},
    page::{Name, PluginRef},
    patch,
};
use crate::{
    config::farewell,
    control::{Drain as Going, DrainPhase},
    rfc3339::rfc3339,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use socklet_core::{CloseFrame, ListenerName, PluginId, RouteName, TenantName, units::parse_duration};
use socklet_server::Scope;
use std::time::Duration;

/// What is to be drained, and how. Without listener, tenant, route and plugin it is the node. What is left out of the pace is as `[drain]`
/// has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those who came in through this listener.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    listener: Option<ListenerName>,
    /// Those of this tenant; with `route`, of that route of it.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    tenant: Option<TenantName>,
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    route: Option<RouteName>,
    /// Those whose instance is of `version` of this plugin, which is not the current one.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<PluginRef>")]
    plugin: Option<PluginId>,
    version: Option<u32>,
    /// How long it waits before it closes anybody: `0s` to `1h`.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<Pause>")]
    delay: Option<Duration>,
    /// What is left then is cut off: `0s` to `1h`.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<Pause>")]
    timeout: Option<Duration>,
    /// Connections that are closed at a time.
    #[schemars(range(min = 1, max = 1_000_000))]
    batch: Option<usize>,
    /// The pause between two batches: `0s` to `1h`.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<Pause>")]
    interval: Option<Duration>,
    /// By how much that may differ, in all: `0s` to `1h`.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<Pause>")]
    jitter: Option<Duration>,
    /// What connections are closed with: 1001, 1012, 1013, or 3000 to 4999.
    #[schemars(range(min = 1001, max = 4999))]
    close_code: Option<u16>,
    /// And why: 123 bytes at most.
    #[schemars(length(max = 30))]
    reason: Option<String>,
    /// Whether the process ends after that, or the listener is stopped.
    #[serde(default)]
    stop: bool,
}

/// A time, for schemas.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Pause(#[schemars(regex(pattern = "^(0|[1-9][0-9]{0,2})s$"))] String);

/// A drain that goes on, or is over.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drain {
    id: u64,
    /// What is drained, for people.
    scope: String,
    #[schemars(with = "Option<Name>")]
    listener: Option<String>,
    #[schemars(with = "Option<Name>")]
    tenant: Option<String>,
    #[schemars(with = "Option<Name>")]
    route: Option<String>,
    #[schemars(with = "Option<PluginRef>")]
    plugin: Option<String>,
    version: Option<u32>,
    /// Drained: nobody is left. Until it is taken back, nobody new comes in.
    #[schemars(extend("enum" = ["announced", "closing", "drained", "resumed"]))]
    state: &'static str,
    /// Connections that had to go when it began.
    total: usize,
    /// Those that a closing handshake was begun with.
    closed: usize,
    /// Those that are still there.
    left: usize,
    /// Those that were cut off.
    forced: usize,
    close_code: u16,
    timeout_seconds: f64,
    stop: bool,
    #[schemars(extend("format" = "date-time"))]
    started_at: String,
    /// Whose token it was begun with.
    by: String,
}

/// Drains, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drains {
    drains: Vec<Drain>,
}

/// The longest time of a drain.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most connections at a time.
const MAX_BATCH: usize = 1_000_000;

/// `POST /v1/drain`
pub(super) async fn start(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let wanted: Wanted = call.json(patch::MAX).await?;
    let scope = scope(call, &wanted)?;
    call.detail(scope.to_string());
    if wanted.stop && !matches!(scope, Scope::Node | Scope::Listener(_)) {
        return Err(Problem::Content("stop: only the node and a listener can be stopped".to_owned()));
    }
    let plan = wanted.plan(call.state.control.drain_plan())?;
    json(&Drain::from(&*call.state.control.drain(scope, plan, wanted.stop, &call.who.name)?))
}

/// `GET /v1/drains`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let all = call.state.control.drains();
    json(&Drains { drains: all.iter().filter(|one| sees(call, one)).map(|one| Drain::from(&**one)).collect() })
}

/// `GET /v1/drains/{drain}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Drain::from(&*find(call)?))
}

/// `DELETE /v1/drains/{drain}`
pub(super) async fn resume(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    find(call)?;
    json(&Drain::from(&*call.state.control.resume(call.captured("drain"))?))
}

fn find(call: &Call) -> Result<std::sync::Arc<Going>, Problem> {
    let id = call.captured("drain");
    let found = call.state.control.find_drain(id)?;
    if sees(call, &found) { Ok(found) } else { Err(Problem::NoSuch("drain", id.to_owned())) }
}

fn sees(call: &Call, drain: &Going) -> bool {
    call.who.tenant.as_ref().is_none_or(|own| drain.tenant() == Some(own))
}

/// What is meant. Whoever is confined to a tenant drains only what is of that.
fn scope(call: &Call, wanted: &Wanted) -> Result<Scope, Problem> {
    let Wanted { listener, tenant, route, plugin, version, .. } = wanted;
    let scope = match (listener, tenant, route, plugin, version) {
        (None, None, None, None, None) => Scope::Node,
        (Some(listener), None, None, None, None) => Scope::Listener(listener.clone()),
        (None, Some(tenant), None, None, None) => Scope::Tenant(tenant.clone()),
        (None, Some(tenant), Some(route), None, None) => Scope::Route(tenant.clone(), route.clone()),
        (None, None, None, Some(plugin), Some(version)) => Scope::Version(plugin.clone(), *version),
        _ => {
            let message =
                "expected a listener, or a tenant, or tenant and route, or plugin and version; or none of them";
            return Err(Problem::Content(message.to_owned()));
        }
    };
    match &call.who.tenant {
        Some(own) if scope.tenant() != Some(own) => match scope.tenant() {
            Some(tenant) => Err(Problem::NoSuch("tenant", tenant.to_string())),
            None => Err(Problem::Content("this token is for a tenant: name the tenant, or a route of it".to_owned())),
        },
        _ => Ok(scope),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = |why: &dyn std::fmt::Display| {
        serde::de::Error::custom(format!("{text:?}: {why}; expected a duration such as \"30s\", at most \"1h\""))
    };
    if text == "0s" {
        return Ok(Some(Duration::ZERO));
    }
    match parse_duration(&text) {
        Ok(duration) if duration <= LONGEST => Ok(Some(duration)),
        Ok(_) => Err(wrong(&"too long")),
        Err(error) => Err(wrong(&error)),
    }
}

// === impl Wanted ===

impl Wanted {
    fn plan(&self, usual: socklet_server::Drain) -> Result<socklet_server::Drain, Problem> {
        let wrong = |message: String| Err(Problem::Content(message));
        let mut close = usual.close.clone();
        if let Some(code) = self.close_code {
            let Some(frame) = farewell(code) else {
                return wrong(format!(
                    "close_code: {code} is for something else; use 1001, 1012, 1013, or 3000 to 4999"
                ));
            };
            close = frame;
        }
        if let Some(reason) = &self.reason {
            close = CloseFrame::from_application(close.code().get(), reason.as_str())
                .map_err(|error| Problem::Content(format!("reason: {error}")))?;
        }
        let batch = self.batch.unwrap_or(usual.batch);
        if !(1..=MAX_BATCH).contains(&batch) {
            return wrong(format!("batch: expected 1 to {MAX_BATCH}"));
        }
        Ok(socklet_server::Drain {
            delay: self.delay.unwrap_or(usual.delay),
            timeout: self.timeout.unwrap_or(usual.timeout),
            batch,
            interval: self.interval.unwrap_or(usual.interval),
            jitter: self.jitter.unwrap_or(usual.jitter),
            close,
        })
    }
}

// === impl Drain ===

impl From<&Going> for Drain {
    fn from(going: &Going) -> Self {
        let (mut listener, mut tenant, mut route, mut plugin, mut version) = (None, None, None, None, None);
        match &going.scope {
            Scope::Node => {}
            Scope::Listener(name) => listener = Some(name.to_string()),
            Scope::Tenant(name) => tenant = Some(name.to_string()),
            Scope::Route(of, name) => (tenant, route) = (Some(of.to_string()), Some(name.to_string())),
            Scope::Version(id, number) => (plugin, version) = (Some(id.to_string()), Some(*number)),
        }
        let progress = &going.progress;
        Self {
            id: going.id,
            scope: going.scope.to_string(),
            listener,
            tenant,
            route,
            plugin,
            version,
            state: DrainPhase::as_str(going.phase()),
            total: progress.total(),
            closed: progress.closed(),
            left: progress.left(),
            forced: progress.forced(),
            close_code: going.plan.close.code().get(),
            timeout_seconds: going.plan.timeout.as_secs_f64(),
            stop: going.stop,
            started_at: rfc3339(going.started),
            by: going.by.clone(),
        }
    }
}
