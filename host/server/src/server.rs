//! The server: accepts sockets and hands them to HTTP.

use crate::{
    Listener, Metrics, Route, RouteConnections, Routes, ServerConfig, Workers,
    clients::{ClientSocket, Clients},
    connection::Socket,
    drain::{Drain, DrainReport, drain},
    edge::{Seldom, proxy},
    gate::{Gate, Passed},
    http, http2,
    listener::{Accepted, Origin},
    listeners::Listeners,
    registry::{Cork, Peer},
    tls::{Failed, Io, TlsAcceptor},
    workers::{Place, Threads, Worker},
};
use arc_swap::ArcSwap;
use socklet_core::{CloseFrame, CloseReason, Permit, Room, Taken, Tenant};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpStream, UnixStream},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

/// Sockets beyond the WebSocket connections, so that those over the limit get a proper answer.
const SPARE_SOCKETS: usize = 256;

/// A WebSocket server. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: ArcSwap<ServerConfig>,
    pub(crate) routes: ArcSwap<Routes>,
    /// Routes that are in no table any more and may still have connections.
    pub(crate) retired: Mutex<Vec<Weak<RouteConnections>>>,
    pub(crate) listeners: Listeners,
    pub(crate) metrics: Metrics,
    /// Every task of every socket.
    pub(crate) tasks: TaskTracker,
    pub(crate) accepting: TaskTracker,
    /// No new connections from now on.
    pub(crate) draining: CancellationToken,
    /// What those are told who are closed for that.
    pub(crate) farewell: OnceLock<CloseFrame>,
    /// What is left ends now.
    pub(crate) force: CancellationToken,
    /// Nobody new comes in, until an operator says otherwise.
    pub(crate) held: AtomicBool,
    connections: Arc<AtomicUsize>,
    sockets: Room,
    clients: Arc<Clients>,
    /// Sockets that were refused for their header of the PROXY protocol.
    refused: Seldom,
    pub(crate) threads: Arc<Threads>,
}

/// A socket's share of the server, and its client's share of what one client may have.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) client: ClientSocket,
    socket: Arc<SocketSlot>,
}

/// A socket's share of the server, held until it is closed.
#[derive(Debug)]
struct SocketSlot {
    place: Place,
    _permit: Permit,
    metrics: Metrics,
}

/// One WebSocket connection of the node and of a tenant, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    _of_tenant: Taken,
    _of_listener: Passed,
    connections: Arc<AtomicUsize>,
    metrics: Metrics,
}

// === impl Server ===

impl Server {
    /// A server for these routes, on these threads. It listens nowhere yet.
    pub fn new(config: ServerConfig, routes: Routes, metrics: Metrics, workers: &Workers) -> Self {
        Self::on(workers.threads(), config, routes, metrics)
    }

    pub(crate) fn on(threads: Arc<Threads>, config: ServerConfig, routes: Routes, metrics: Metrics) -> Self {
        let sockets = Room::new(sockets(&config));
        let clients = Arc::new(Clients::new(config.max_connections_per_ip, config.connection_rate));
        let inner = Inner {
            config: ArcSwap::from_pointee(config),
            routes: ArcSwap::from_pointee(routes),
            retired: Mutex::default(),
            listeners: Listeners::default(),
            metrics,
            tasks: TaskTracker::new(),
            accepting: TaskTracker::new(),
            draining: CancellationToken::new(),
            farewell: OnceLock::new(),
            force: CancellationToken::new(),
            held: AtomicBool::new(false),
            connections: Arc::default(),
            sockets,
            clients,
            refused: Seldom::default(),
            threads,
        };
        Self { inner: Arc::new(inner) }
    }

    /// From now on requests are for these routes. Who is connected stays: see [`Server::retire`].
    pub fn install(&self, routes: Routes) {
        self.inner.routes.store(Arc::new(routes));
    }

    /// Takes over other limits of the node. Sockets that are open keep the deadlines of their requests, and nobody is closed for being
    /// one too many. The number of threads stays what it is.
    pub fn configure(&self, config: ServerConfig) {
        self.inner.sockets.resize(sockets(&config));
        self.inner.clients.configure(config.max_connections_per_ip, config.connection_rate);
        self.inner.config.store(Arc::new(config));
    }

    /// Open WebSocket connections.
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Waits until every thread that serves connections has answered: none of them is stuck.
    pub async fn answers(&self) {
        self.inner.threads.answer().await;
    }

    /// Stops accepting, closes every connection in paced batches, waits for every `on-close`; at the deadline what is left is cut off.
    /// For good: see [`Server::drain_only`] for a drain after which the server goes on.
    pub async fn drain(&self, plan: Drain) -> DrainReport {
        drain(&self.inner, plan).await
    }

    /// Accepts until the server drains, or it is over for the listener.
    pub(crate) async fn accept(&self, listener: &Listener, gate: &Arc<Gate>, over: &CancellationToken) {
        let (mut backoff, failures) = (Backoff::default(), Seldom::default());
        loop {
            // The slot is taken before the socket: over the limit, clients wait in the kernel.
            let permit = tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => break,
                () = over.cancelled() => break,
                permit = self.inner.sockets.enter() => permit,
            };
            let accepted = tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => break,
                () = over.cancelled() => break,
                accepted = listener.accept(gate) => accepted,
            };
            match accepted {
                Ok((stream, origin)) => {
                    if backoff.is_begun() {
                        info!("accepting again");
                    }
                    backoff = Backoff::default();
                    self.inner.clone().start(stream, origin, permit, listener);
                }
                Err(error) => {
                    self.inner.metrics.accept_errors.inc();
                    if backoff.is_needed(&error) {
                        if let Some(times) = failures.happens() {
                            warn!(%error, times, "failed to accept, trying again");
                        }
                        tokio::select! {
                            () = self.inner.draining.cancelled() => break,
                            () = over.cancelled() => break,
                            () = tokio::time::sleep(backoff.next()) => {}
                        }
                    } else {
                        debug!(%error, "connection was gone before it was accepted");
                    }
                }
            }
        }
        if over.is_cancelled() && !gate.is_closed() {
            self.accept_rest(listener, gate);
        }
        info!("stopped accepting");
    }

    /// Another socket takes over from this one: who waits in its queue would be cut off when it is closed.
    fn accept_rest(&self, listener: &Listener, gate: &Arc<Gate>) {
        while let Some(permit) = self.inner.sockets.try_enter()
            && let Ok((stream, origin)) = listener.accept_now(gate)
        {
            self.inner.clone().start(stream, origin, permit, listener);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn start(self: Arc<Self>, stream: Accepted, origin: Origin, permit: Permit, listener: &Listener) {
        if !origin.via.may_begin() {
            self.refuse(&origin, "untrusted", &"only trusted proxies may connect here");
            return;
        }
        let slot = self.slot(&origin, permit);
        let worker = slot.socket.place.worker().clone();
        let (tls, tasks) = (listener.tls().cloned(), self.tasks.clone());
        match (stream, Arc::ptr_eq(&worker, listener.worker())) {
            (Accepted::Tcp(stream), true) => drop(tasks.spawn(self.serve(stream, tls, origin, slot))),
            (Accepted::Unix(stream), true) => drop(tasks.spawn(self.serve(stream, tls, origin, slot))),
            (Accepted::Tcp(stream), false) => {
                self.hand_over(&worker, stream.into_std(), TcpStream::from_std, tls, origin, slot);
            }
            (Accepted::Unix(stream), false) => {
                self.hand_over(&worker, stream.into_std(), UnixStream::from_std, tls, origin, slot);
            }
        }
    }

    /// A runtime's reactor knows only its own sockets: from one to the other goes the bare one.
    fn hand_over<B: Send + 'static, S: Socket + Into<Io>>(
        self: Arc<Self>,
        worker: &Worker,
        stream: io::Result<B>,
        from_bare: fn(B) -> io::Result<S>,
        tls: Option<TlsAcceptor>,
        origin: Origin,
        slot: Slot,
    ) {
        let tasks = self.tasks.clone();
        let served = async move {
            match stream.and_then(from_bare) {
                Ok(stream) => self.serve(stream, tls, origin, slot).await,
                Err(error) => {
                    self.metrics.accept_errors.inc();
                    warn!(%error, "failed to hand a socket to its thread");
                }
            }
        };
        tasks.spawn_on(served, worker.runtime());
    }

    pub(crate) fn slot(&self, origin: &Origin, permit: Permit) -> Slot {
        self.metrics.sockets.inc();
        let socket = SocketSlot { place: self.threads.place(), _permit: permit, metrics: self.metrics.clone() };
        Slot { client: self.client(origin), socket: Arc::new(socket) }
    }

    /// The share that the client of a socket has. Where it is not known yet who that is, nobody's.
    fn client(&self, origin: &Origin) -> ClientSocket {
        let client = origin.client.filter(|_| origin.via.knows_client());
        self.clients.socket(client.map(|client| client.ip()))
    }

    /// Notes a socket that is not served for its header of the PROXY protocol.
    fn refuse(&self, origin: &Origin, outcome: &'static str, reason: &dyn fmt::Display) {
        self.metrics.proxy_header(outcome);
        if let Some(times) = self.refused.happens() {
            let peer = origin.client.map(|client| client.to_string());
            warn!(listener = %origin.gate.name(), peer, outcome, %reason, times, "refused for its proxy header");
        }
    }

    /// Serves a socket until it closes or becomes a WebSocket, behind TLS where the listener has that.
    async fn serve<S>(self: Arc<Self>, mut stream: S, tls: Option<TlsAcceptor>, mut origin: Origin, mut slot: Slot)
    where
        S: Socket + Into<Io>,
    {
        let deadline = Instant::now() + self.config.load().handshake_timeout;
        if origin.via.expects_header() {
            if !Box::pin(self.introduce(&mut stream, &mut origin, deadline)).await {
                return;
            }
            slot.client = self.client(&origin);
        }
        match tls {
            None if origin.via.may_speak_http2() => {
                Box::pin(http2::tell_apart(self, stream, origin, slot, deadline)).await;
            }
            None => http::serve(self, stream, origin, slot, deadline).await,
            // In a box: plain sockets need no room for it.
            Some(tls) => Box::pin(self.secure(stream.into(), tls, origin, slot, deadline)).await,
        }
    }

    /// Learns from a proxy who the client is. Whether that was said.
    async fn introduce(&self, stream: &mut impl Socket, origin: &mut Origin, deadline: Instant) -> bool {
        let arrived = tokio::select! {
            arrived = proxy::arrive(stream, origin, deadline) => arrived,
            () = self.draining.cancelled() => return false,
        };
        match arrived {
            Ok(outcome) => self.metrics.proxy_header(outcome),
            // Whoever looks whether the port is open says nothing.
            Err(proxy::Bad::Closed) => self.metrics.proxy_header("closed"),
            Err(ref bad) => self.refuse(origin, bad.outcome(), bad),
        }
        arrived.is_ok()
    }

    async fn secure(self: Arc<Self>, io: Io, tls: TlsAcceptor, mut origin: Origin, slot: Slot, deadline: Instant) {
        let accepted = tokio::select! {
            accepted = tls.accept(io, deadline) => accepted,
            () = self.draining.cancelled() => return,
        };
        match accepted {
            Ok((stream, secured, outcome)) => {
                self.metrics.tls_handshake(outcome);
                let is_http2 = secured.http2;
                origin.tls = Some(secured);
                if is_http2 {
                    http2::serve(self, stream, origin, slot, deadline).await;
                } else {
                    http::serve(self, stream, origin, slot, deadline).await;
                }
            }
            Err(Failed { outcome, reason }) => {
                self.metrics.tls_handshake(outcome);
                let client = origin.client.map(|client| client.to_string());
                debug!(listener = %origin.gate.name(), client, outcome, reason, "tls handshake failed");
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn start_stream(self: Arc<Self>, stream: impl Socket, origin: Origin, slot: Slot) {
        let (tasks, deadline) = (self.tasks.clone(), Instant::now() + self.config.load().handshake_timeout);
        tasks.spawn(http::serve(self, stream, origin, slot, deadline));
    }

    /// Takes one of the tenant's places and one of the node's. The limit's name when there is none.
    pub(crate) fn count(&self, tenant: &Tenant, gate: &Arc<Gate>) -> Result<Counted, &'static str> {
        let of_tenant = tenant.connections().take(1).ok_or("tenant_max_connections")?;
        let max = self.config.load().max_connections;
        let more = |now| (now < max).then_some(now + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| "max_connections")?;
        self.metrics.connections.inc();
        let (connections, metrics) = (self.connections.clone(), self.metrics.clone());
        Ok(Counted { _of_tenant: of_tenant, _of_listener: gate.pass(), connections, metrics })
    }

    /// Whether nobody new comes in there.
    pub(crate) fn is_held(&self, route: &Route, gate: &Gate) -> bool {
        self.held.load(Ordering::SeqCst) || gate.is_held() || route.connections.is_held() || route.tenant().is_held()
    }

    /// Why connections are closed with the node.
    pub(crate) fn farewell(&self) -> CloseReason {
        CloseReason::Draining(self.farewell.get_or_init(CloseFrame::restarting).clone())
    }

    /// Everybody, on routes that are served and on those that are not any more; also those who are opening or closing.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        let mut peers: Vec<_> = self.routes.load().all.iter().flat_map(|route| route.connections.peers()).collect();
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        peers.extend(retired.iter().filter_map(Weak::upgrade).flat_map(|connections| connections.peers()));
        peers
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

impl Slot {
    /// Where what is sent on this socket's thread is collected.
    pub(crate) fn cork(&self) -> &Arc<Cork> {
        &self.socket.place.worker().cork
    }

    /// The same socket, for a client that came over it.
    pub(crate) fn of_client(&self, server: &Inner, client: Option<SocketAddr>) -> Self {
        Self { client: server.clients.socket(client.map(|client| client.ip())), socket: self.socket.clone() }
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        self.metrics.sockets.dec();
    }
}

/// Sockets at a time.
fn sockets(config: &ServerConfig) -> usize {
    config.max_connections.saturating_add(SPARE_SOCKETS)
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

    /// Whether the last accept failed.
    fn is_begun(&self) -> bool {
        self.0 > 0
    }

    fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(10 << self.0.min(7)).min(Duration::from_secs(1));
        self.0 = self.0.saturating_add(1);
        pause
    }
}
