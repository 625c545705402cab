//! The server: accepts sockets and hands them to HTTP.

use crate::{
    BindError, Listener, ListenerConfig, Metrics, Routes, ServerConfig,
    clients::{ClientSocket, Clients},
    drain::{Drain, DrainReport, drain},
    http,
    listener::{Accepted, Origin},
};
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, info, info_span, warn};

/// Sockets beyond the WebSocket connections, so that those over the limit get a proper answer.
const SPARE_SOCKETS: usize = 256;

/// A WebSocket server. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: ServerConfig,
    pub(crate) routes: Routes,
    pub(crate) metrics: Metrics,
    /// Every task of every socket.
    pub(crate) tasks: TaskTracker,
    pub(crate) accepting: TaskTracker,
    /// No new connections from now on.
    pub(crate) draining: CancellationToken,
    /// What is left ends now.
    pub(crate) force: CancellationToken,
    connections: Arc<AtomicUsize>,
    sockets: Arc<Semaphore>,
    clients: Arc<Clients>,
}

/// A socket's share of the server, held until it is closed.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) client: ClientSocket,
    _permit: OwnedSemaphorePermit,
    metrics: Metrics,
}

/// One of the node's WebSocket connections, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    connections: Arc<AtomicUsize>,
    metrics: Metrics,
}

// === impl Server ===

impl Server {
    /// A server for these routes. It listens nowhere yet.
    pub fn new(config: ServerConfig, routes: Routes, metrics: Metrics) -> Self {
        let sockets = Arc::new(Semaphore::new((config.max_connections + SPARE_SOCKETS).min(Semaphore::MAX_PERMITS)));
        let clients = Arc::new(Clients::new(config.max_connections_per_ip, config.connection_rate));
        let inner = Inner {
            config,
            routes,
            metrics,
            tasks: TaskTracker::new(),
            accepting: TaskTracker::new(),
            draining: CancellationToken::new(),
            force: CancellationToken::new(),
            connections: Arc::default(),
            sockets,
            clients,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Binds a listener. Connections wait in the kernel until [`Server::serve`].
    ///
    /// # Errors
    ///
    /// When the address is in use or not ours.
    #[expect(clippy::unused_async, reason = "needs a runtime, and later listeners will wait for their certificates")]
    pub async fn bind(&self, config: ListenerConfig) -> Result<Listener, BindError> {
        Listener::bind(config)
    }

    /// Accepts from a listener, in a task of its own, until the server drains.
    pub fn serve(&self, listener: Listener) {
        let server = self.clone();
        let span = info_span!("listener", name = %listener.name());
        self.inner.accepting.spawn(async move { server.accept(listener).await }.instrument(span));
    }

    /// Open WebSocket connections.
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Stops accepting, closes every connection with 1012 in paced batches, waits for every `on-close`; at the deadline
    /// what is left is cut off.
    pub async fn drain(&self, plan: Drain) -> DrainReport {
        drain(&self.inner, plan).await
    }

    async fn accept(&self, listener: Listener) {
        let mut backoff = Backoff::default();
        loop {
            // The slot is taken before the socket: over the limit, clients wait in the kernel.
            let permit = tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => break,
                permit = self.inner.sockets.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
            };
            let accepted = tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, origin)) => {
                    backoff = Backoff::default();
                    self.inner.clone().start(stream, origin, permit);
                }
                Err(error) => {
                    self.inner.metrics.accept_errors.inc();
                    if backoff.is_needed(&error) {
                        warn!(%error, "failed to accept, backing off");
                        tokio::time::sleep(backoff.next()).await;
                    } else {
                        debug!(%error, "connection was gone before it was accepted");
                    }
                }
            }
        }
        info!("stopped accepting");
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn start(self: Arc<Self>, stream: Accepted, origin: Origin, permit: OwnedSemaphorePermit) {
        let slot = self.slot(&origin, permit);
        match stream {
            Accepted::Tcp(stream) => self.start_stream(stream, origin, slot),
            Accepted::Unix(stream) => self.start_stream(stream, origin, slot),
        }
    }

    pub(crate) fn slot(&self, origin: &Origin, permit: OwnedSemaphorePermit) -> Slot {
        self.metrics.sockets.inc();
        let client = self.clients.socket(origin.client.map(|client| client.ip()));
        Slot { client, _permit: permit, metrics: self.metrics.clone() }
    }

    pub(crate) fn start_stream<S>(self: Arc<Self>, stream: S, origin: Origin, slot: Slot)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let tasks = self.tasks.clone();
        tasks.spawn(http::serve(self, stream, origin, slot));
    }

    /// Takes one of the node's places. None when it is full.
    pub(crate) fn count(&self) -> Option<Counted> {
        let max = self.config.max_connections;
        let more = |now| (now < max).then_some(now + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        self.metrics.connections.inc();
        Some(Counted { connections: self.connections.clone(), metrics: self.metrics.clone() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.sockets.dec();
    }
}

/// Pauses between failed accepts: 10 ms, then twice as long each time, up to a second.
#[derive(Debug, Default)]
struct Backoff(u32);

impl Backoff {
    /// Whether the error will be there at the next accept too, such as for want of descriptors.
    fn is_needed(&self, error: &io::Error) -> bool {
        use io::ErrorKind as Kind;
        !matches!(
            error.kind(),
            Kind::ConnectionAborted
                | Kind::ConnectionReset
                | Kind::NotConnected
                | Kind::Interrupted
                | Kind::InvalidInput
        )
    }

    fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(10 << self.0.min(7)).min(Duration::from_secs(1));
        self.0 += 1;
        pause
    }
}
