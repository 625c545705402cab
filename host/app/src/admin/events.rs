//! `/v1/events`: what happens, as server-sent events.

use super::{
    Problem, State,
    call::{Call, NothingToSee, Reply, parsed},
    page::Name,
    plugins::Owners,
};
use crate::{
    access::Identity,
    endpoint::Lasting,
    events::{Event, Kind, Reading},
    rfc3339::rfc3339,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use socklet_core::TenantName;
use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, broadcast::error::RecvError};

/// Which events are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Kinds, or what they begin with, separated by commas: `plugin,drain.progress`. Left out: all.
    #[schemars(regex(pattern = "^[a-z.-]+(,[a-z.-]+)*$"))]
    kinds: Option<String>,
    /// Those that concern this tenant.
    #[serde(default, deserialize_with = "parsed")]
    #[schemars(with = "Option<Name>")]
    tenant: Option<TenantName>,
}

/// How many may read along at a time.
pub(super) const READERS: usize = 16;
/// How often a reader is told that there is nothing to tell.
const QUIET: Duration = Duration::from_secs(15);

/// Somebody who reads along.
struct Reader {
    state: Arc<State>,
    who: Arc<Identity>,
    events: Reading,
    kinds: Option<Vec<String>>,
    tenant: Option<TenantName>,
    _place: OwnedSemaphorePermit,
}

/// `GET /v1/events`
pub(super) async fn read(call: &mut Call) -> Result<Reply, Problem> {
    let Which { kinds, tenant } = call.query()?;
    let kinds = kinds.map(|kinds| kinds.split(',').map(str::to_owned).collect::<Vec<_>>());
    for kind in kinds.iter().flatten() {
        if !Kind::ALL.iter().any(|known| is_of(*known, kind)) {
            let known = Kind::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Problem::Query(format!("there are no events {kind:?}; there are {known}")));
        }
    }
    let tenant = call.scope(tenant).map_err(|NothingToSee| Problem::NoSuch("tenant", "of this name".to_owned()))?;
    let place = call.state.readers.clone().try_acquire_owned().map_err(|_| Problem::TooManyReaders)?;
    call.state.measured.readers.inc();
    let reader = Reader {
        events: call.state.events.read(),
        state: call.state.clone(),
        who: call.who.clone(),
        kinds,
        tenant,
        _place: place,
    };
    // At once, so that the reader knows that it is heard.
    let first = stream::once(async { Bytes::from_static(b": from now on\n\n") });
    let rest = stream::unfold(reader, |mut reader| async { reader.next().await.map(|text| (text, reader)) });
    let body = first.chain(rest).map(|text| Ok::<_, Infallible>(Frame::data(text)));
    let mut answer = Response::new(StreamBody::new(body).boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.extensions_mut().insert(Lasting);
    Ok(answer)
}

/// Whether a kind is this one, or one of these.
fn is_of(kind: Kind, wanted: &str) -> bool {
    kind.as_str().strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

// === impl Reader ===

impl Drop for Reader {
    fn drop(&mut self) {
        self.state.measured.readers.dec();
    }
}

impl Reader {
    /// What to tell next. None: the token is not accepted any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let event = tokio::time::timeout(QUIET, self.events.next()).await;
            if !self.state.access.still_has(&self.who) {
                return None;
            }
            return Some(match event {
                Ok(Ok(event)) if self.wants(&event) => text(&event),
                Ok(Ok(_)) => continue,
                Ok(Err(RecvError::Lagged(count))) => missed(count),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => Bytes::from_static(b": nothing new\n\n"),
            });
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let kind = self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|wanted| is_of(event.kind, wanted)));
        kind && self.tenant.as_ref().is_none_or(|tenant| self.concerns(event, tenant))
    }

    /// Whether an event concerns a tenant: it is its own, or about a plugin that nobody else has.
    fn concerns(&self, event: &Event, tenant: &TenantName) -> bool {
        match (&event.tenant, &event.plugin) {
            (Some(of), _) => of == tenant,
            (None, Some(plugin)) => Owners::now(&self.state).of(tenant).contains(plugin),
            (None, None) => false,
        }
    }
}

fn text(event: &Event) -> Bytes {
    let mut data = json!({ "number": event.number, "at": rfc3339(event.at), "kind": event.kind.as_str() });
    if let Some(tenant) = &event.tenant {
        data["tenant"] = tenant.as_str().into();
    }
    if let Some(plugin) = &event.plugin {
        data["plugin"] = plugin.to_string().into();
    }
    for (name, value) in &event.data {
        data[name] = value.clone();
    }
    let mut text = String::new();
    // JSON has no line breaks of its own.
    let _ = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.number, event.kind.as_str());
    text.into()
}

/// What a reader is told who was too far behind.
fn missed(count: u64) -> Bytes {
    format!("event: missed\ndata: {}\n\n", json!({ "kind": "missed", "count": count })).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_lags_is_told_how_much_was_missed() {
        assert_eq!(missed(3), "event: missed\ndata: {\"count\":3,\"kind\":\"missed\"}\n\n");
    }

    #[test]
    fn a_kind_is_named_or_what_it_begins_with() {
        assert!(is_of(Kind::PluginSwapped, "plugin") && is_of(Kind::PluginSwapped, "plugin.swapped"));
        assert!(!is_of(Kind::PluginSwapped, "plug") && !is_of(Kind::PluginSwapped, "plugin.swapped.more"));
    }
}
