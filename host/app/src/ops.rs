//! The operators' listener: `/healthz`, `/readyz`, `/metrics` and `/metrics/tenants`, apart from everything that clients reach.

use crate::endpoint::{Answers, Body, Endpoint, Peer, Socket, Terms, full};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use std::{
    future::{Future, ready},
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing::info_span;

/// The media type of metrics: OpenMetrics.
pub(crate) const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const TERMS: Terms = Terms { connections: 64, request: Duration::from_secs(10) };

/// How the server is. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ready: AtomicBool,
    draining: Gauge,
    /// Everything that is measured; none while the server is being assembled.
    registry: OnceLock<Registry>,
    /// The same of tenants.
    tenants: OnceLock<Registry>,
}

/// A running listener. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Ops {
    local: SocketAddr,
    _endpoint: Endpoint,
}

// === impl Health ===

impl Health {
    /// The gauge that is 1 while draining.
    pub(crate) fn draining_gauge(&self) -> Gauge {
        self.0.draining.clone()
    }

    /// Gives the metrics of the server and of its tenants to whoever asks from now on.
    pub(crate) fn set_registries(&self, registry: Registry, tenants: Registry) {
        // A server is assembled once.
        let _ = self.0.registry.set(registry);
        let _ = self.0.tenants.set(tenants);
    }

    /// Everything is assembled and serves; or it does so again.
    pub(crate) fn ready(&self) {
        self.0.draining.set(0);
        self.0.ready.store(true, Ordering::Release);
    }

    /// No new connections from now on.
    pub(crate) fn draining(&self) {
        self.0.ready.store(false, Ordering::Release);
        self.0.draining.set(1);
    }

    /// No new connections are accepted any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.get() == 1
    }

    /// Everything that is measured; none while the server is being assembled.
    pub(crate) fn metrics(&self) -> Option<String> {
        encoded(self.0.registry.get()?)
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/healthz" => text(StatusCode::OK, "live\n"),
            "/readyz" if self.0.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ready\n"),
            "/readyz" if self.0.draining.get() == 1 => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            "/metrics" => metrics(&self.0.registry),
            "/metrics/tenants" => metrics(&self.0.tenants),
            _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }
}

// === impl Ops ===

impl Ops {
    /// Binds and serves.
    pub(crate) fn start(bind: SocketAddr, health: Health) -> io::Result<Self> {
        let (socket, local) = Socket::bind_tcp(bind)?;
        Ok(Self { local, _endpoint: socket.serve(TERMS, None, health, info_span!("ops")) })
    }

    /// The address, with the port that the system chose for port 0.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Answers for Health {
    fn answer(&self, _: Peer, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send {
        ready(Self::answer(self, request.method(), request.uri().path()))
    }
}

fn metrics(registry: &OnceLock<Registry>) -> Response<Body> {
    let Some(registry) = registry.get() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
    };
    let Some(body) = encoded(registry) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "failed to encode the metrics\n");
    };
    let mut response = Response::new(full(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS));
    response
}

fn encoded(registry: &Registry) -> Option<String> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).ok()?;
    Some(text)
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    async fn get(health: &Health, path: &str) -> (u16, String) {
        let response = health.answer(&Method::GET, path);
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_follows_the_life_of_the_server() {
        let health = Health::default();
        assert_eq!(get(&health, "/healthz").await, (200, "live\n".to_owned()));
        assert_eq!(get(&health, "/readyz").await, (503, "starting\n".to_owned()));
        assert_eq!(get(&health, "/metrics").await.0, 503);
        let mut registry = Registry::with_prefix("socklet");
        registry.register("draining", "Whether", health.draining_gauge());
        health.set_registries(registry, Registry::default());
        health.ready();
        assert_eq!(get(&health, "/readyz").await, (200, "ready\n".to_owned()));
        assert!(get(&health, "/metrics").await.1.contains("socklet_draining 0\n"));
        health.draining();
        assert_eq!(get(&health, "/readyz").await, (503, "draining\n".to_owned()));
        assert_eq!(get(&health, "/healthz").await.0, 200);
        assert!(get(&health, "/metrics").await.1.contains("socklet_draining 1\n"));
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let health = Health::default();
        assert_eq!(get(&health, "/").await.0, 404);
        assert_eq!(health.answer(&Method::POST, "/healthz").status(), 405);
    }

    #[tokio::test]
    async fn answers_on_a_socket_until_it_is_dropped() {
        let ops = Ops::start("127.0.0.1:0".parse().unwrap(), Health::default()).unwrap();
        let local = ops.local();
        let mut stream = TcpStream::connect(local).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("live\n"), "{answer}");
        drop(ops);
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(local).await.is_err());
    }
}
