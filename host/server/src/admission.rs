//! From a proper handshake to a place in the registry: origin, quotas, authenticators, `on-upgrade`.
//!
//! The types make the order: only a [`Grant`] makes an [`Admission`], and only an [`Admission`] opens a connection.

use crate::{
    Route,
    compression::Deflate,
    gate::Gate,
    handshake::{self, ANSWER, DENIAL, Handshake, InvalidAnswer},
    listener::Origin,
    registry::{About, NoPlace, Peer, Registration},
    request::upgrade_request,
    server::{Counted, Inner, Slot},
    trace::Upgrade,
};
use bytes::Bytes;
use http::{Response, header, request::Parts};
use socklet_core::{
    Acceptance, BoxFuture, CallError, ConnectionId, EventId, PluginId, Principal, Refusal, Session, Trace,
    UpgradeRequest, Upgraded, Verdict,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::warn;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) handshake: Handshake,
    pub(crate) origin: &'a Origin,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) captures: Vec<(String, String)>,
    /// Where it is recorded.
    pub(crate) trace: Option<&'a mut Upgrade>,
}

/// The right to a connection, as somebody or as nobody in particular.
#[derive(Debug)]
struct Grant(Option<Arc<Principal>>);

/// A connection that may open: all that is missing is the socket.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) route: Arc<Route>,
    pub(crate) registration: Registration,
    pub(crate) session: Box<dyn Session>,
    pub(crate) counted: Counted,
    pub(crate) slot: Option<Arc<Slot>>,
    /// How messages are compressed, where that was agreed on: by the decoder and by whoever writes.
    pub(crate) compression: Option<Deflate>,
    /// Where the upgrade was recorded.
    pub(crate) trace: Option<Trace>,
}

/// Not admitted.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The host refuses.
    Host(Refusal),
    /// A plugin has its own answer; with the outcome's name.
    Plugin(Box<Response<Bytes>>, &'static str),
}

/// When those come back who were refused for want of room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// And those whose route was replaced while they were asked: the new one is there already.
const AT_ONCE: Duration = Duration::from_secs(1);

// === impl Admission ===

impl Admission {
    pub(crate) fn id(&self) -> ConnectionId {
        self.peer().id()
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        self.registration.peer()
    }

    pub(crate) fn route_name(&self) -> String {
        format!("{}/{}", self.route.tenant(), self.route.config.name)
    }

    /// Keeps the socket's slot for as long as the connection lives.
    pub(crate) fn hold(&mut self, slot: Arc<Slot>) {
        self.slot = Some(slot);
    }
}

/// Decides on an upgrade request, and answers it with a 101 where it is admitted.
pub(crate) async fn admit(
    server: &Inner,
    slot: &Slot,
    route: Arc<Route>,
    asked: Asked<'_>,
) -> Result<(Response<Bytes>, Admission), Refused> {
    check_origin(&route, &asked)?;
    let counted = take_place(server, slot, &route, &asked.origin.gate)?;
    let Asked { parts, handshake, origin, authority, path, captures, mut trace } = asked;
    let id = ConnectionId::next();
    let mut request = upgrade_request(parts, id, origin, &route, &authority, path, captures);
    if let Some(trace) = &mut trace {
        trace.on(&route, &mut request);
    }
    let request = Arc::new(request);
    let Grant(principal) = authenticate(&route, &request, trace.as_deref_mut()).await?;
    let about = About::new(origin.gate.clone(), origin.client);
    let registered = route.connections.register(id, principal.clone(), slot.cork().clone(), about);
    let registration = registered.map_err(|no_place| match no_place {
        NoPlace::Full => {
            server.metrics.limit_hit("route_max_connections", Some((route.tenant().name(), &route.config.name)));
            Refused::Host(Refusal::Unavailable { retry_after: RETRY_AFTER })
        }
        NoPlace::Retired => Refused::Host(Refusal::Unavailable { retry_after: AT_ONCE }),
    })?;
    // Whoever drains or stops something holds it first and looks for registered connections then: one of the two notices.
    if origin.gate.is_closed() || server.is_held(&route, &origin.gate) {
        return Err(Refused::Host(Refusal::Unavailable { retry_after: RETRY_AFTER }));
    }
    let behavior = route.behavior.as_ref().ok_or(Refused::Host(Refusal::NotFound))?;
    let recorded = request.trace.clone();
    let upgraded = behavior.upgrade(request, principal);
    match ask(trace, "on-upgrade", behavior.plugin(), upgraded, outcome_of_upgrade).await.map_err(failed)? {
        Upgraded::Accepted(acceptance, session) => {
            let (response, compression) = accept(&route, &handshake, &acceptance, registration.peer())
                .map_err(|what| invalid(&route, "on-upgrade", &what))?;
            let admission =
                Admission { route, registration, session, counted, slot: None, compression, trace: recorded };
            Ok((response, admission))
        }
        Upgraded::Answered(response) => match handshake::answer(&response, ANSWER) {
            Ok(response) => Err(Refused::Plugin(Box::new(response), "answered")),
            Err(what) => Err(invalid(&route, "on-upgrade", &what.to_string())),
        },
    }
}

fn check_origin(route: &Route, asked: &Asked<'_>) -> Result<(), Refused> {
    let refused = Err(Refused::Host(Refusal::OriginNotAllowed));
    let mut fields = asked.parts.headers.get_all(header::ORIGIN).iter();
    let origin = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(origin), None) => match origin.to_str() {
            Ok(origin) => Some(origin),
            Err(_) => return refused,
        },
        (Some(_), Some(_)) => return refused,
    };
    if route.config.origins.allows(origin, &asked.authority, asked.origin.is_secure()) { Ok(()) } else { refused }
}

fn take_place(server: &Inner, slot: &Slot, route: &Route, gate: &Arc<Gate>) -> Result<Counted, Refused> {
    let limit = |name, refusal| {
        server.metrics.limit_hit(name, Some((route.tenant().name(), &route.config.name)));
        Refused::Host(refusal)
    };
    if server.draining.is_cancelled() || gate.is_closed() || server.is_held(route, gate) {
        return Err(Refused::Host(Refusal::Unavailable { retry_after: RETRY_AFTER }));
    }
    if slot.client.excess {
        return Err(limit("max_connections_per_ip", Refusal::TooManyRequests { retry_after: RETRY_AFTER }));
    }
    if !slot.client.may_connect() {
        return Err(limit("connection_rate", Refusal::TooManyRequests { retry_after: RETRY_AFTER }));
    }
    let openings = route.tenant().openings();
    if openings.is_some_and(|rate| rate.take(1, Instant::now().into_std(), Duration::ZERO).is_none()) {
        return Err(limit("tenant_connection_rate", Refusal::TooManyRequests { retry_after: RETRY_AFTER }));
    }
    server.count(route.tenant(), gate).map_err(|full| limit(full, Refusal::Unavailable { retry_after: RETRY_AFTER }))
}

/// Asks the route's authenticators, one after the other. Fails closed: what cannot be asked has not granted.
async fn authenticate(
    route: &Route,
    request: &Arc<UpgradeRequest>,
    mut trace: Option<&mut Upgrade>,
) -> Result<Grant, Refused> {
    if route.authenticators.is_empty() {
        return Ok(Grant(None));
    }
    for authenticator in &route.authenticators {
        let (asked, plugin) = (authenticator.authenticate(request.clone()), authenticator.plugin());
        match ask(trace.as_deref_mut(), "authenticate", plugin, asked, outcome_of_verdict).await.map_err(failed)? {
            Verdict::Grant(principal) => return Ok(Grant(Some(Arc::new(principal)))),
            Verdict::Abstain => {}
            Verdict::Deny(response) => {
                return Err(match handshake::answer(&response, DENIAL) {
                    Ok(response) => Refused::Plugin(Box::new(response), "denied"),
                    Err(what) => invalid(route, "authenticate", &what.to_string()),
                });
            }
        }
    }
    Err(Refused::Host(Refusal::Unauthenticated))
}

/// Waits for the answer of a plugin; a part of the upgrade where that is recorded.
async fn ask<T>(
    trace: Option<&mut Upgrade>,
    hook: &'static str,
    plugin: Option<&PluginId>,
    answer: BoxFuture<Result<T, CallError>>,
    outcome: fn(&T) -> &'static str,
) -> Result<T, CallError> {
    let Some(upgrade) = trace else { return answer.await };
    let mut question = upgrade.ask(hook, plugin);
    let answer = answer.await;
    match &answer {
        Ok(answer) => question.set("socklet.outcome", outcome(answer)),
        Err(error) => upgrade.failed(&mut question, error),
    }
    question.end();
    answer
}

fn outcome_of_verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Grant(_) => "grant",
        Verdict::Abstain => "abstain",
        Verdict::Deny(_) => "deny",
    }
}

fn outcome_of_upgrade(upgraded: &Upgraded) -> &'static str {
    match upgraded {
        Upgraded::Accepted(..) => "accepted",
        Upgraded::Answered(_) => "answered",
    }
}

/// The 101, and what it says of compression. What is wrong with the plugin's answer, if it is wrong.
fn accept(
    route: &Route,
    handshake: &Handshake,
    acceptance: &Acceptance,
    peer: &Peer,
) -> Result<(Response<Bytes>, Option<Deflate>), String> {
    let chosen = acceptance.subprotocol.as_deref();
    let subprotocol =
        handshake::choose(&handshake.offered, chosen, &route.config.subprotocols).map_err(|e| e.to_string())?;
    if let Some(subprotocol) = subprotocol {
        let _ = peer.about().subprotocol.set(subprotocol.into()); // a connection is accepted once
    }
    let agreed = route.config.compression.and_then(|route| handshake::agree(&handshake.deflate, &route));
    let (compression, extensions) = agreed.unzip();
    let headers = &acceptance.headers;
    let response =
        handshake::switch_protocols(handshake.accept.as_deref(), subprotocol, extensions.as_deref(), headers);
    Ok((response.map_err(|what: InvalidAnswer| what.to_string())?, compression))
}

fn failed(error: CallError) -> Refused {
    Refused::Host(match error {
        CallError::Busy { .. } => Refusal::Unavailable { retry_after: RETRY_AFTER },
        CallError::Resting { retry_after } => Refusal::Unavailable { retry_after },
        CallError::Died { event, .. } | CallError::Host { event } => Refusal::PluginFailed(event),
    })
}

fn invalid(route: &Route, hook: &'static str, what: &str) -> Refused {
    let event = EventId::next();
    let (tenant, route) = (route.tenant(), &route.config.name);
    warn!(%event, %tenant, %route, hook, what, "plugin gave an invalid answer");
    Refused::Host(Refusal::PluginFailed(event))
}
