//! HTTP/1.1 on one socket, and what both versions of HTTP answer: plain requests are answered, upgrades become connections.

use crate::{
    Route,
    admission::{self, Admission, Refused},
    connection::{self, Reader, Socket, Writer},
    edge::forwarded,
    handshake::{self, Kind},
    http2::Streams,
    listener::Origin,
    routing::decode_path,
    server::{Inner, Slot},
    tls::Secured,
    trace::Upgrade,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    Method, Request, Response, StatusCode, Version,
    header::{CACHE_CONTROL, CONNECTION, UPGRADE},
    request::Parts,
};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use socklet_core::{ConnectionId, EventId, Refusal};
use std::{convert::Infallible, io, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt;
use tower_http::services::ServeDir;
use tracing::{Instrument, debug, error, info, info_span, warn};

/// What is encoded in a file's path: everything but unreserved characters and slashes.
const FILE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What carries a connection once it is accepted.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    /// Its two halves, and what the client sent behind its request.
    pub(crate) take: fn(Upgraded) -> ((Reader, Writer), Bytes),
    /// The others on its socket, where it has not a socket of its own.
    pub(crate) streams: Option<Streams>,
}

/// How long a response may take to be read by its client, once no more requests are taken.
const LAST_RESPONSE: Duration = Duration::from_secs(30);

/// Serves one socket until it closes or becomes a WebSocket. `deadline` is that of the handshakes: TLS has taken its time already.
pub(crate) async fn serve<S: Socket>(server: Arc<Inner>, stream: S, origin: Origin, slot: Slot, deadline: Instant) {
    let slot = Arc::new(slot);
    let origin = Arc::new(origin);
    let (config, gate) = (server.config.load_full(), origin.gate.clone());
    let handshake_timeout = config.handshake_timeout;
    let service = {
        let server = server.clone();
        let carrier = Carrier { take: take::<S>, streams: None };
        service_fn(move |request| respond(server.clone(), origin.clone(), slot.clone(), request, carrier.clone()))
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake_timeout)
        .max_buf_size(config.max_header_bytes.max(8192))
        .max_headers(config.max_headers)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // One deadline around everything: a client that trickles requests or reads responses slowly must end too.
    let served = async {
        tokio::select! {
            served = connection.as_mut() => served,
            () = server.draining.cancelled() => finish(connection).await,
            () = gate.closed() => finish(connection).await,
            () = sleep_until(deadline) => finish(connection).await,
        }
    };
    let served = tokio::select! {
        served = served => served,
        () = server.force.cancelled() => Ok(()),
    };
    if let Err(error) = served {
        debug!(%error, "http connection failed");
    }
}

/// Takes no more requests; the response that is on its way may end.
async fn finish<C>(mut connection: std::pin::Pin<&mut C>) -> hyper::Result<()>
where
    C: Graceful + Future<Output = hyper::Result<()>>,
{
    connection.as_mut().graceful_shutdown();
    timeout(LAST_RESPONSE, connection).await.unwrap_or(Ok(()))
}

/// hyper's connection, whatever its types.
trait Graceful {
    fn graceful_shutdown(self: std::pin::Pin<&mut Self>);
}

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    fn graceful_shutdown(self: std::pin::Pin<&mut Self>) {
        http1::UpgradeableConnection::graceful_shutdown(self);
    }
}

/// Answers one request, and tells of it.
pub(crate) async fn respond(
    server: Arc<Inner>,
    origin: Arc<Origin>,
    slot: Arc<Slot>,
    mut request: Request<Incoming>,
    carrier: Carrier,
) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let (version, fields) = (parts.version, parts.headers.len());
    let is_tunnel = parts.method == Method::CONNECT;
    let (origin, slot, known) = forwarded::client(&server, origin, slot, &parts.headers);
    let mut trace = Upgrade::begin(&server, &origin, &parts);
    // The access log: what was asked, with what must not be shown masked.
    let span = info_span!(
        "request",
        listener = %origin.gate.name(),
        client = origin.client.map(|client| client.to_string()),
        proxy = origin.via.proxy(),
        tls = origin.tls.as_ref().map(|tls| tls.version),
        certificate = origin.tls.as_ref().and_then(Secured::subject),
        method = %parts.method,
        path = parts.uri.path(),
        query = parts.uri.query().map(|query| server.config.load().mask.query(query)),
        trace_id = trace.as_ref().map(|trace| trace.trace().id().to_string()),
    );
    let answered = async {
        match known {
            // HTTP/1 has counted them before.
            Ok(()) if fields > server.config.load().max_headers => refused(&Refusal::TooManyFields),
            Ok(()) => answer(&server, &origin, &slot, parts, trace.as_mut()).await,
            Err(refusal) => refused(&refusal),
        }
    };
    let answered = AssertUnwindSafe(answered).catch_unwind();
    let answered = answered.instrument(span.clone()).await.unwrap_or_else(|_| {
        let event = EventId::next();
        span.in_scope(|| error!(%event, "panicked while answering a request"));
        Answered::Refused(handshake::refuse(&Refusal::PluginFailed(event)), "host-failed")
    });
    if let Some(trace) = trace {
        match &answered {
            Answered::Accepted(response, _) => trace.end(response.status(), "accepted"),
            Answered::Refused(response, outcome) => trace.end(response.status(), outcome),
            Answered::Plain(_) => trace.forget(),
        }
    }
    let mut response = match answered {
        Answered::Accepted(response, admission) => {
            let (mut admission, server) = (admission, server.clone());
            let tasks = server.tasks.clone();
            span.in_scope(
                || info!(name: "accepted", connection = %admission.id(), route = %admission.route_name(), "accepted"),
            );
            server.metrics.handshake("accepted", started.elapsed());
            let Carrier { take, streams } = carrier;
            tasks.spawn(async move {
                let _open = streams.map(|streams| streams.open());
                admission.hold(slot);
                // In a box of its own, which is gone when the connection lives: its task holds only what it needs.
                let Some((socket, buffered)) = Box::pin(upgraded(&server, upgrade, take, admission.id())).await else {
                    return;
                };
                connection::run(server, socket, buffered, admission).await;
            });
            response.map(full)
        }
        Answered::Refused(mut response, outcome) => {
            if is_tunnel && response.status().is_success() {
                // Over HTTP/2 that would be a yes.
                let event = EventId::next();
                span.in_scope(|| warn!(%event, "plugin answered with success what it did not accept"));
                response = handshake::refuse(&Refusal::PluginFailed(event));
            }
            server.metrics.handshake(outcome, started.elapsed());
            span.in_scope(|| info!(name: "refused", status = response.status().as_u16(), outcome, "refused"));
            response.map(full)
        }
        Answered::Plain(response) => {
            span.in_scope(|| debug!(status = response.status().as_u16(), "answered"));
            response
        }
    };
    if version == Version::HTTP_2 {
        // RFC 9113, section 8.2.2: a stream is no connection.
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(UPGRADE);
    }
    Ok(response)
}

/// Waits for the 101, or what stands for it, to be written: the socket, and what the client sent behind its request.
async fn upgraded(
    server: &Inner,
    upgrade: OnUpgrade,
    take: fn(Upgraded) -> ((Reader, Writer), Bytes),
    connection: ConnectionId,
) -> Option<((Reader, Writer), Bytes)> {
    let Ok(Ok(upgraded)) = timeout(server.config.load().handshake_timeout, upgrade).await else {
        debug!(%connection, "client was gone before the 101");
        return None;
    };
    Some(take(upgraded))
}

fn take<S: Socket>(upgraded: Upgraded) -> ((Reader, Writer), Bytes) {
    let parts = upgraded.downcast::<TokioIo<S>>().expect("the socket is of the type that was given to hyper");
    (parts.io.into_inner().halves(), parts.read_buf)
}

enum Answered {
    Accepted(Response<Bytes>, Box<Admission>),
    /// An upgrade request that was not accepted, and the name of the outcome.
    Refused(Response<Bytes>, &'static str),
    Plain(Response<Body>),
}

async fn answer(
    server: &Arc<Inner>,
    origin: &Origin,
    slot: &Slot,
    parts: Parts,
    mut trace: Option<&mut Upgrade>,
) -> Answered {
    let config = server.config.load_full();
    for (name, value) in &parts.headers {
        debug!(
            name = name.as_str(),
            value = config.mask.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes())),
            "header"
        );
    }
    let kind = match handshake::classify(&parts) {
        Ok(kind) => kind,
        Err(refusal) => return refused(&refusal),
    };
    let Ok(path) = decode_path(parts.uri.path()) else {
        return refused(&Refusal::BadHandshake("the path is not properly encoded"));
    };
    let path = path.into_owned();
    let authority = handshake::authority(&parts).unwrap_or_default().to_owned();
    // The routes of this moment: a request ends with the route that it began with.
    let routes = server.routes.load();
    let found = routes.table.lookup(origin.gate.name(), handshake::host(&authority), &path, &parts.headers);
    let found = found.map(|(route, captures)| (route.clone(), captures));
    drop(routes);
    let Some((route, captures)) = found else {
        return match kind {
            Kind::Plain => Answered::Plain(handshake::refuse(&Refusal::NotFound).map(full)),
            Kind::WebSocket(_) => refused(&Refusal::NotFound),
        };
    };
    let handshake = match kind {
        Kind::Plain => return Answered::Plain(plain(&route, parts, &path, &captures).await),
        Kind::WebSocket(handshake) => handshake,
    };
    if route.behavior.is_none() {
        return refused(&Refusal::NotFound);
    }
    let asked =
        admission::Asked { parts: &parts, handshake, origin, authority, path, captures, trace: trace.as_deref_mut() };
    let admitted = admission::admit(server, slot, route.clone(), asked);
    match timeout(config.handshake_timeout, admitted).await {
        Ok(Ok((response, admission))) => Answered::Accepted(response, Box::new(admission)),
        Ok(Err(Refused::Host(refusal))) => {
            if let Some(trace) = trace {
                trace.refused(&refusal);
            }
            refused(&refusal)
        }
        Ok(Err(Refused::Plugin(response, outcome))) => Answered::Refused(*response, outcome),
        Err(_) => {
            server.metrics.limit_hit("handshake_timeout", Some((route.tenant().name(), &route.config.name)));
            refused(&Refusal::Unavailable { retry_after: Duration::from_secs(1) })
        }
    }
}

fn refused(refusal: &Refusal) -> Answered {
    Answered::Refused(handshake::refuse(refusal), refusal.as_str())
}

/// Answers a request that asks for no WebSocket, for a path (decoded).
async fn plain(route: &Route, parts: Parts, asked: &str, captures: &[(String, String)]) -> Response<Body> {
    let Some(folder) = &route.config.files else {
        let refusal = match parts.method {
            Method::GET | Method::HEAD => Refusal::UpgradeRequired,
            _ => Refusal::MethodNotAllowed,
        };
        return handshake::refuse(&refusal).map(full);
    };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return handshake::refuse(&Refusal::MethodNotAllowed).map(full);
    }
    // Under a pattern such as `/page/{*file}` the capture is the file's path; elsewhere it is the request's.
    let mut request = Request::from_parts(parts, Full::<Bytes>::default());
    let mut files = ServeDir::new(folder).append_index_html_on_directories(true);
    if let Some(rest) = route.config.path.rest() {
        let file = captures.iter().find(|(name, _)| name == rest).map_or("", |(_, value)| value.as_str());
        let path = format!("/{}", utf8_percent_encode(file, FILE));
        // From a folder without its slash to the one with it, and not out of the pattern.
        let whole = format!("{}", utf8_percent_encode(asked, FILE));
        files = files.redirect_path_prefix(whole.strip_suffix(&path).unwrap_or_default());
        *request.uri_mut() = path.parse().expect("an encoded path is a URI");
    }
    if request.uri().path().starts_with("//") {
        // No file has such a name, and a redirect to it would lead to another server.
        return handshake::refuse(&Refusal::NotFound).map(full);
    }
    let served = files.oneshot(request).await;
    let mut response = match served {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => handshake::refuse(&Refusal::NotFound).map(full),
        Ok(response) => response.map(|body| body.map_err(io::Error::other).boxed_unsync()),
        Err(infallible) => match infallible {},
    };
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", http::HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(http::HeaderValue::from_static("no-cache"));
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
