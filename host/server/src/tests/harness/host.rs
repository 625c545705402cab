//! A server with one route, or a few, whose guests are fakes.

use super::{Client, Fake, Guest, Log, MS, behavior::FakeBehavior};
use crate::{
    Bind, BindError, ConnectionLimits, Edge, ListenerConfig, Metrics, Origins, PathPattern, Route, RouteConfig,
    RouteConnections, Routes, Server, ServerConfig, connection::Stream, edge::Via, gate::Gate, listener::Origin,
    workers::Threads,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use socklet_core::{
    Authenticator, Behavior, Call, Connections, Ending, Event, Lifeline, ListenerName, Quotas, Room, Tenant,
};
use std::{collections::HashMap, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    time::sleep,
};

/// What a test's server is made of.
pub(crate) struct Setup {
    pub(crate) server: ServerConfig,
    pub(crate) routes: Vec<RouteSetup>,
    /// Those that are not without quotas.
    quotas: HashMap<String, Quotas>,
    edge: Edge,
}

pub(crate) struct RouteSetup {
    tenant: String,
    pub(crate) config: RouteConfig,
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
    pub(crate) fake: Option<Fake>,
}

/// A server that is tested. When it goes, every call that was made must have kept the contract.
pub(crate) struct Host {
    pub(crate) server: Server,
    /// The connections of the first route, and those of each.
    pub(crate) connections: Arc<RouteConnections>,
    pub(crate) of_route: Vec<Arc<RouteConnections>>,
    pub(crate) routes: Vec<Arc<Route>>,
    tenants: HashMap<String, Arc<Tenant>>,
    pub(crate) log: Arc<Log>,
    /// Where those come in who come through no socket.
    gate: Arc<Gate>,
    /// The one instance that all sessions share.
    pub(crate) lifeline: Lifeline,
    registry: Registry,
    /// What stands in front of every listener.
    edge: Arc<Edge>,
}

// === impl Setup ===

impl Setup {
    /// A server for `/`, everything below included, with a guest.
    pub(crate) fn new(on_event: impl Fn(&Guest, &Event) -> Call + Send + Sync + 'static) -> Self {
        Self::with(Fake::new(on_event))
    }

    pub(crate) fn with(fake: Fake) -> Self {
        let setup =
            Self { server: ServerConfig::default(), routes: Vec::new(), quotas: HashMap::new(), edge: Edge::default() };
        setup.route("main", "/{*rest}", Some(fake))
    }

    /// One more route, of the tenant `acme`.
    pub(crate) fn route(mut self, name: &str, path: &str, fake: Option<Fake>) -> Self {
        let config = RouteConfig {
            name: name.parse().unwrap(),
            listeners: Vec::new(),
            hosts: Vec::new(),
            path: PathPattern::parse(path).unwrap(),
            headers: Vec::new(),
            origins: Origins::default(),
            subprotocols: Vec::new(),
            compression: None,
            limits: ConnectionLimits::default(),
            heartbeat: socklet_core::Heartbeat::default(),
            files: None,
        };
        self.routes.push(RouteSetup { tenant: "acme".to_owned(), config, authenticators: Vec::new(), fake });
        self
    }

    /// Gives the route that was added last to a tenant.
    pub(crate) fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.routes.last_mut().unwrap().tenant);
        self
    }

    /// The quotas of a tenant.
    pub(crate) fn quotas(mut self, tenant: &str, quotas: Quotas) -> Self {
        self.quotas.insert(tenant.to_owned(), quotas);
        self
    }

    /// What stands in front of the server.
    pub(crate) fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    pub(crate) fn server(mut self, change: impl FnOnce(&mut ServerConfig)) -> Self {
        change(&mut self.server);
        self
    }

    /// Changes the route that was added last.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut RouteConfig)) -> Self {
        change(&mut self.routes.last_mut().unwrap().config);
        self
    }

    pub(crate) fn limits(self, change: impl FnOnce(&mut ConnectionLimits)) -> Self {
        self.config(|config| change(&mut config.limits))
    }

    pub(crate) fn authenticators(mut self, authenticators: Vec<Arc<dyn Authenticator>>) -> Self {
        self.routes.last_mut().unwrap().authenticators = authenticators;
        self
    }

    pub(crate) fn start(self) -> Host {
        let mut registry = Registry::with_prefix("socklet");
        let metrics = Metrics::register(&mut registry);
        let log = Arc::new(Log::new());
        let lifeline = Lifeline::default();
        let (mut of_route, mut tenants, mut quotas) = (Vec::new(), HashMap::new(), self.quotas);
        let route = |route: RouteSetup| {
            let quotas = quotas.remove(&route.tenant).unwrap_or_default();
            let tenant = tenants.entry(route.tenant.clone());
            let tenant = tenant.or_insert_with(|| Arc::new(Tenant::new(route.tenant.parse().unwrap(), quotas)));
            let connections = Arc::new(RouteConnections::new(&route.config, tenant.clone(), &metrics));
            of_route.push(connections.clone());
            let fake = route.fake.map(|fake| {
                let (connections, log, lifeline) = (connections.clone(), log.clone(), lifeline.clone());
                Arc::new(FakeBehavior { fake, connections, log, lifeline }) as Arc<dyn Behavior>
            });
            Arc::new(Route::new(Arc::new(route.config), connections, route.authenticators, fake))
        };
        let routes: Vec<_> = self.routes.into_iter().map(route).collect();
        let table = Routes::new(routes.clone()).unwrap();
        let server = Server::on(Threads::here(), self.server, table, metrics);
        let (gate, edge) = (Gate::new("public".parse().unwrap()), self.edge.into());
        let connections = of_route[0].clone();
        Host { server, connections, of_route, routes, tenants, log, gate, lifeline, registry, edge }
    }
}

// === impl Host ===

impl Host {
    /// A client over a pipe that holds 64 KiB in each direction.
    pub(crate) fn client(&self) -> Client<DuplexStream> {
        self.client_with(64 * 1024)
    }

    pub(crate) fn client_with(&self, buffer: usize) -> Client<DuplexStream> {
        self.client_from("192.0.2.7:4711", buffer)
    }

    pub(crate) fn client_from(&self, address: &str, buffer: usize) -> Client<DuplexStream> {
        let (ours, theirs) = duplex(buffer);
        self.start(theirs, address);
        Client::new(ours)
    }

    /// Serves a stream that comes from this address.
    pub(crate) fn start<S>(&self, stream: S, address: &str)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let client = Some(address.parse().unwrap());
        let via = Via::new(self.edge.clone(), client);
        let origin = Origin { gate: self.gate.clone(), local: "192.0.2.1:80".to_owned(), client, tls: None, via };
        let permit = Room::new(1).try_enter().unwrap();
        let slot = self.server.inner.slot(&origin, permit);
        self.server.inner.clone().start_stream(Stream(stream), origin, slot);
    }

    /// Stops the listener that those come from who come through no socket.
    pub(crate) fn close_gate(&self) {
        self.gate.close();
    }

    /// A WebSocket connection to `/`.
    pub(crate) async fn connect(&self) -> Client<DuplexStream> {
        self.client().upgrade("/", &[]).await
    }

    /// One with little room for what the client does not read.
    pub(crate) async fn connect_with(&self, buffer: usize) -> Client<DuplexStream> {
        self.client_with(buffer).upgrade("/", &[]).await
    }

    /// Binds and serves one more listener; where it listens.
    pub(crate) async fn listen(&self, bind: &str) -> Bind {
        self.listen_as(&format!("listener-{}", self.server.listeners().len()), bind, &[]).await.unwrap()
    }

    /// Binds and serves a listener of a name, in the place of others that go.
    pub(crate) async fn listen_as(&self, name: &str, bind: &str, going: &[&str]) -> Result<Bind, BindError> {
        let config = ListenerConfig {
            name: name.parse().unwrap(),
            bind: bind.parse().unwrap(),
            tls: None,
            edge: (*self.edge).clone(),
            reuse_port: false,
        };
        let going: Vec<ListenerName> = going.iter().map(|name| name.parse().unwrap()).collect();
        let listener = self.server.bind(config, &going).await?;
        let local = listener.local();
        self.server.serve(listener);
        going.iter().filter(|gone| gone.as_str() != name).for_each(|gone| drop(self.server.stop(gone)));
        Ok(local)
    }

    /// Waits until nothing is connected any more; then everything must be as in the beginning.
    pub(crate) async fn settled(&self) {
        for _ in 0..20_000 {
            let sockets = self.metric("socklet_sockets");
            if self.server.connections() == 0 && sockets == 0 && self.server.inner.tasks.is_empty() {
                break;
            }
            sleep(MS).await;
        }
        self.log.check(true);
        assert_eq!(self.server.connections(), 0);
        assert_eq!(self.metric("socklet_sockets"), 0);
        assert_eq!(self.metric("socklet_connections"), 0);
        assert_eq!(self.metric("socklet_send_queue_bytes"), 0);
        for route in &self.of_route {
            assert_eq!((route.count(), route.peers().len()), (0, 0));
        }
        for tenant in self.tenants.values() {
            assert_eq!((tenant.connections().used(), tenant.topics().used()), (0, 0), "{tenant}");
        }
    }

    /// How the only connection ended; then nothing is left of it.
    pub(crate) async fn ending(&self) -> Ending {
        self.log.ends(1).await;
        self.settled().await;
        let [ending] = &self.log.endings()[..] else { panic!("{:?}", self.log.events()) };
        ending.clone()
    }

    /// Everything that is measured.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The value of one series.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.log.check(false);
        }
    }
}
