//! The operators' listener: `/healthz`, `/readyz` and `/metrics`, apart from everything that clients reach.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, debug, info_span, warn};

/// Requests that are answered at a time.
const CONNECTIONS: usize = 64;
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a request and its answer may take.
const REQUEST: Duration = Duration::from_secs(10);

/// How the server is. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ready: AtomicBool,
    draining: Gauge,
    /// Everything that is measured; none while the server is being assembled.
    registry: OnceLock<Registry>,
}

/// A running listener. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Ops {
    local: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

// === impl Health ===

impl Health {
    /// The gauge that is 1 while draining.
    pub(crate) fn draining_gauge(&self) -> Gauge {
        self.0.draining.clone()
    }

    /// Gives the metrics to whoever asks from now on.
    pub(crate) fn set_registry(&self, registry: Registry) {
        // A server is assembled once.
        let _ = self.0.registry.set(registry);
    }

    /// Everything is assembled and serves.
    pub(crate) fn ready(&self) {
        self.0.ready.store(true, Ordering::Release);
    }

    /// No new connections from now on.
    pub(crate) fn draining(&self) {
        self.0.ready.store(false, Ordering::Release);
        self.0.draining.set(1);
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
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
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let Some(registry) = self.0.registry.get() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
        };
        let mut body = String::new();
        if prometheus_client::encoding::text::encode(&mut body, registry).is_err() {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "failed to encode the metrics\n");
        }
        let mut response = Response::new(Full::from(body));
        let openmetrics = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, openmetrics);
        response
    }
}

// === impl Ops ===

impl Ops {
    /// Binds and serves.
    pub(crate) async fn start(bind: SocketAddr, health: Health) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let local = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, health).instrument(info_span!("ops")));
        Ok(Self { local, _task: AbortOnDropHandle::new(task) })
    }

    /// The address, with the port that the system chose for port 0.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

async fn accept(listener: TcpListener, health: Health) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = slots.clone().acquire_owned().await.expect("nobody closes the slots");
        match listener.accept().await {
            Ok((stream, _)) => {
                let serve = serve(stream, health.clone());
                tokio::spawn(
                    async move {
                        serve.await;
                        drop(slot);
                    }
                    .in_current_span(),
                );
            }
            Err(error) => {
                // Out of descriptors, most of the time: come back when some may be free.
                warn!(%error, "failed to accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, health: Health) {
    let answer = move |request: Request<Incoming>| {
        let response = health.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    match tokio::time::timeout(REQUEST, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "request failed"),
        Err(_) => debug!("request timed out"),
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
        health.set_registry(registry);
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
        let ops = Ops::start("127.0.0.1:0".parse().unwrap(), Health::default()).await.unwrap();
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
