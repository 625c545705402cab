//! The span of an upgrade request: what is said of it by OpenTelemetry's names, and what it is a part of.

use crate::{Route, listener::Origin, server::Inner};
use http::{HeaderMap, Method, StatusCode, header::UPGRADE, request::Parts};
use socklet_core::{CallError, OpenSpan, PluginId, Refusal, Trace, TraceParent, UpgradeRequest};

/// The longest path that is told, in bytes.
const PATH_MAX: usize = 1024;

/// An upgrade that is recorded. Dropped before [`Upgrade::end`], it was given up.
#[derive(Debug)]
pub(crate) struct Upgrade {
    trace: Trace,
    span: OpenSpan,
    /// As span names have it.
    method: &'static str,
}

// === impl Upgrade ===

impl Upgrade {
    /// Begins the span of a request, if it asks for a WebSocket and is recorded.
    pub(crate) fn begin(server: &Inner, origin: &Origin, parts: &Parts) -> Option<Self> {
        let tracer = server.metrics.tracer()?;
        if parts.method != Method::CONNECT && !parts.headers.contains_key(UPGRADE) {
            return None;
        }
        let (trace, mut span) = Trace::begin(tracer, parent(&parts.headers))?;
        let (method, name) = method(&parts.method);
        span.rename(name);
        span.set("http.request.method", method);
        span.set("url.scheme", if origin.tls.is_some() { "wss" } else { "ws" });
        span.set("url.path", cut(parts.uri.path(), PATH_MAX));
        span.set("network.protocol.name", "http");
        span.set("socklet.listener", origin.gate.name().to_string());
        if let Some(client) = origin.client {
            span.set("client.address", client.ip().to_string());
            span.set("network.peer.address", client.ip().to_string());
            span.set("network.peer.port", client.port());
        }
        if let Some(tls) = &origin.tls {
            span.set("tls.protocol.name", "tls");
            span.set("tls.protocol.version", tls.version);
            if let Some(subject) = tls.subject() {
                span.set("tls.client.subject", subject.to_owned());
            }
        }
        Some(Self { trace, span, method: name })
    }

    /// The trace, for the connection that may come of it.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The request belongs to a route, and plugins will see it: they get the span as the parent of what they do.
    pub(crate) fn on(&mut self, route: &Route, request: &mut UpgradeRequest) {
        if let Some(template) = route.config.path.template() {
            self.span.rename(format!("{} {template}", self.method));
            self.span.set("http.route", template.to_owned());
        }
        self.span.set("socklet.tenant", route.tenant().to_string());
        self.span.set("socklet.route", route.config.name.to_string());
        self.span.set("socklet.connection", request.connection.to_string());
        request.attributes.push(("traceparent".to_owned(), self.trace.upgrade().traceparent()));
        request.attributes.extend(self.trace.state().map(|state| ("tracestate".to_owned(), state.to_owned())));
        request.trace = Some(self.trace.clone());
    }

    /// Begins a question to a plugin.
    pub(crate) fn ask(&self, hook: &'static str, plugin: Option<&PluginId>) -> OpenSpan {
        let mut span = self.trace.child(hook);
        if let Some(plugin) = plugin {
            span.set("socklet.plugin", plugin.to_string());
        }
        span
    }

    /// The plugin had no answer: neither it nor the upgrade is as it should be.
    pub(crate) fn failed(&mut self, question: &mut OpenSpan, error: &CallError) {
        question.fail_call(error);
        self.span.fail_call(error);
    }

    /// The host refuses it.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        if let Refusal::PluginFailed(event) = refusal {
            self.span.fail(refusal.as_str(), Some(*event));
        }
    }

    /// It is answered.
    pub(crate) fn end(mut self, status: StatusCode, outcome: &'static str) {
        self.span.set("http.response.status_code", status.as_u16());
        self.span.set("socklet.outcome", outcome);
        if status.is_server_error() {
            self.span.fail(outcome, None);
        }
        self.span.end();
    }

    /// It is no upgrade after all.
    pub(crate) fn forget(self) {
        self.span.forget();
    }
}

/// What a method is called as an attribute, and in the name of a span: what clients make up must not make names.
fn method(method: &Method) -> (&'static str, &'static str) {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    known.into_iter().find(|known| method == known).map_or(("_OTHER", "HTTP"), |known| (known, known))
}

/// What the client says of its own span. None where it says nothing, or nothing valid.
fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
    // Several fields of this name are one list.
    let states: Option<Vec<_>> = headers.get_all("tracestate").iter().map(|state| state.to_str().ok()).collect();
    let state = states.filter(|states| !states.is_empty()).map(|states| states.join(","));
    TraceParent::parse(parent, state.as_deref())
}

/// As much of a text as fits.
fn cut(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}
