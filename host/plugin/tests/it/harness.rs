//! What the tests share: a host without sockets, and its connections.

use bytes::Bytes;
use prometheus_client::registry::Registry;
use socklet_core::{
    Answer, Behavior, BoxFuture, Call, CallError, Cause, CloseCode, CloseFrame, ConnectionId, Connections, Ending,
    Event, Field, Heartbeat, Message, MessageRef, Opcode, Principal, Quotas, SendError, Session, SubscribeError,
    Tenant, UpgradeRequest, Upgraded,
};
use socklet_plugin::{
    CallLimits, EngineConfig, Grants, InstancePolicy, LoadError, OnSwap, Plugin, PluginConfig, Plugins, RouteBehavior,
    RouteInstances, Source,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A host for one test: an engine with a cache of its own.
pub(crate) struct Host {
    pub(crate) plugins: Plugins,
    pub(crate) registry: Registry,
    _folder: tempfile::TempDir,
}

/// Connections in memory: what was sent to each.
#[derive(Debug, Default)]
pub(crate) struct Net(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    connections: BTreeMap<ConnectionId, Connection>,
    heartbeat: Heartbeat,
    broken: bool,
}

#[derive(Debug, Default)]
struct Connection {
    open: bool,
    sent: Vec<Message>,
    attachment: Bytes,
    topics: BTreeSet<String>,
    closed: Option<CloseFrame>,
    principal: Option<Arc<Principal>>,
}

/// A route with a behavior.
pub(crate) struct Route {
    pub(crate) net: Arc<Net>,
    pub(crate) behavior: RouteBehavior,
}

/// An accepted connection.
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) session: Box<dyn Session>,
    net: Arc<Net>,
}

/// How long tests wait for what must come.
const PATIENCE_MS: u32 = 30_000;

/// A millisecond of the machine's. Stopped time stands still meanwhile.
async fn a_moment() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
}

pub(crate) fn guest(name: &str) -> PathBuf {
    built(&format!("tests/guests/target/wasm32-wasip2/release/examples/{name}.wasm"), "make guests")
}

pub(crate) fn stock(name: &str) -> PathBuf {
    built(&format!("plugins/target/wasm32-wasip2/release/{name}.wasm"), "make plugins")
}

fn built(path: &str, how: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    assert!(path.exists(), "{} is missing: run `{how}` first", path.display());
    path
}

/// A tenant without quotas.
pub(crate) fn tenant() -> Arc<Tenant> {
    Arc::new(Tenant::new("acme".parse().unwrap(), Quotas::default()))
}

pub(crate) fn config(source: impl Into<Source>) -> PluginConfig {
    PluginConfig {
        name: "guest".parse().unwrap(),
        source: source.into(),
        digest: None,
        settings: BTreeMap::new(),
        limits: CallLimits::default(),
        grants: Grants::default(),
        stateless: false,
        recycle_calls: None,
        recycle_memory: None,
        fleeting: false,
        saved_state_max: 1 << 20,
        on_swap: OnSwap::Keep,
    }
}

pub(crate) fn request(query: &str) -> UpgradeRequest {
    UpgradeRequest {
        connection: ConnectionId::next(),
        listener: "main".into(),
        method: "GET".into(),
        secure: false,
        authority: "localhost".into(),
        path: "/".into(),
        query: (!query.is_empty()).then(|| query.to_owned()),
        headers: vec![],
        captures: vec![],
        client_ip: Some([127, 0, 0, 1].into()),
        client_port: 4711,
        attributes: vec![],
        trace: None,
    }
}

/// A connection to a plugin as the behavior of a route of some tenant.
pub(crate) async fn connect(plugin: &Plugin, tenant: &Arc<Tenant>, route: &str) -> Client {
    let net = Arc::new(Net::default());
    let instances = InstancePolicy::Connection.into();
    let behavior = plugin.behavior(tenant, &route.parse().unwrap(), instances, net.clone()).unwrap();
    Route { net, behavior }.connect("").await
}

pub(crate) fn field(name: &str, value: &str) -> Field {
    Field { name: name.into(), value: value.into() }
}

// === impl Host ===

impl Host {
    pub(crate) fn new() -> Self {
        Self::with_instances(64)
    }

    pub(crate) fn with_instances(max_instances: u32) -> Self {
        Self::with(|config| config.max_instances = max_instances)
    }

    pub(crate) fn with(set: impl FnOnce(&mut EngineConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let mut config = EngineConfig::new(folder.path().join("cache"));
        config.guest_threads = 2;
        set(&mut config);
        let plugins = Plugins::new(config, &mut registry).unwrap();
        Self { plugins, registry, _folder: folder }
    }

    pub(crate) async fn load(&self, config: PluginConfig) -> Result<Plugin, LoadError> {
        self.plugins.load(config).await
    }

    pub(crate) async fn route(&self, guest_name: &str, policy: InstancePolicy) -> Route {
        self.route_with(config(guest(guest_name)), policy).await
    }

    pub(crate) async fn route_with(&self, config: PluginConfig, instances: impl Into<RouteInstances>) -> Route {
        let plugin = self.load(config).await.unwrap();
        let net = Arc::new(Net::default());
        let behavior = plugin.behavior(&tenant(), &"main".parse().unwrap(), instances.into(), net.clone()).unwrap();
        Route { net, behavior }
    }

    /// Waits until a metric has a value, in the machine's time: a call may be on a guest thread when the time is stopped here.
    pub(crate) async fn until(&self, series: &str, value: f64) {
        for _ in 0..PATIENCE_MS {
            if self.metric(series) == value {
                return;
            }
            a_moment().await;
        }
        panic!("{series} is {}, not {value}", self.metric(series));
    }

    /// The value of a metric by its full line up to the value.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

// === impl Route ===

impl Route {
    pub(crate) async fn upgrade(&self, request: UpgradeRequest) -> Result<Upgraded, CallError> {
        self.behavior.upgrade(Arc::new(request), None).await
    }

    /// Upgrades and opens.
    pub(crate) async fn connect(&self, query: &str) -> Client {
        let mut client = self.accept(request(query)).await;
        client.call(Event::Open).await.unwrap().proceeds();
        client
    }

    /// Upgrades; the connection is registered, and `on-open` has not been called.
    pub(crate) async fn accept(&self, request: UpgradeRequest) -> Client {
        self.try_accept(request).await.unwrap()
    }

    /// As [`Route::accept`], of a plugin that may die.
    pub(crate) async fn try_accept(&self, request: UpgradeRequest) -> Result<Client, CallError> {
        let id = request.connection;
        self.net.lock().connections.insert(id, Connection::default());
        match self.upgrade(request).await? {
            Upgraded::Accepted(_, session) => {
                self.net.connection(id, |connection| connection.open = true);
                Ok(Client { id, session, net: self.net.clone() })
            }
            Upgraded::Answered(response) => panic!("answered {response:?}"),
        }
    }
}

// === impl Client ===

impl Client {
    pub(crate) async fn call(&mut self, event: Event) -> Result<Answer, CallError> {
        match self.session.call(event) {
            Call::Done(outcome) => outcome,
            Call::Pending(outcome) => outcome.await,
        }
    }

    pub(crate) async fn say(&mut self, text: &str) -> Result<Answer, CallError> {
        self.call(Event::Message(Message::Text(text.into()))).await
    }

    /// Says something and returns what came back.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.say(text).await.unwrap().proceeds();
        self.received().pop().expect("an answer")
    }

    /// Waits, in the machine's time, until so many texts came since the last look, and compares them.
    pub(crate) async fn hears<const N: usize>(&self, texts: [&str; N]) {
        let waiting = || self.net.connection(self.id, |connection| connection.sent.len());
        for _ in 0..PATIENCE_MS {
            if waiting() >= N {
                break;
            }
            a_moment().await;
        }
        assert_eq!(self.received(), texts);
    }

    /// The texts that came since the last look.
    pub(crate) fn received(&self) -> Vec<String> {
        self.net.received(self.id)
    }

    pub(crate) async fn close(&mut self, cause: Cause) -> Result<Answer, CallError> {
        self.net.connection(self.id, |connection| connection.open = false);
        let frame = CloseFrame::received(CloseCode::NORMAL, "bye".into());
        self.call(Event::Close(Ending {
            frame,
            cause,
            clean: true,
            duration: Duration::from_millis(5),
            messages_received: 1,
            messages_sent: 2,
        }))
        .await
    }
}

// === impl Net ===

impl Net {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn connection<T>(&self, id: ConnectionId, with: impl FnOnce(&mut Connection) -> T) -> T {
        with(self.lock().connections.get_mut(&id).expect("a known connection"))
    }

    /// An open connection that nobody serves: what is sent to everybody or published to a topic comes to it.
    pub(crate) fn witness(&self, topic: &str) -> ConnectionId {
        let topics = [topic.to_owned()].into();
        let id = ConnectionId::next();
        self.lock().connections.insert(id, Connection { open: true, topics, ..Connection::default() });
        id
    }

    /// The texts that came to a connection since the last look.
    pub(crate) fn received(&self, id: ConnectionId) -> Vec<String> {
        let sent = self.connection(id, |connection| std::mem::take(&mut connection.sent));
        sent.into_iter().map(|message| String::from_utf8_lossy(message.as_bytes()).into_owned()).collect()
    }

    pub(crate) fn set_principal(&self, id: ConnectionId, principal: Principal) {
        self.connection(id, |connection| connection.principal = Some(Arc::new(principal)));
    }

    /// From now on, counting panics.
    pub(crate) fn break_down(&self) {
        self.lock().broken = true;
    }

    pub(crate) fn closed(&self, id: ConnectionId) -> Option<CloseFrame> {
        self.connection(id, |connection| connection.closed.clone())
    }

    fn fan_out(&self, message: &Message, but: Option<ConnectionId>, wanted: impl Fn(&Connection) -> bool) -> u64 {
        let mut state = self.lock();
        let mut accepted = 0;
        for (id, connection) in &mut state.connections {
            if connection.open && Some(*id) != but && wanted(connection) {
                connection.sent.push(message.clone());
                accepted += 1;
            }
        }
        accepted
    }
}

impl Connections for Net {
    fn ids(&self) -> Vec<ConnectionId> {
        self.lock().connections.iter().filter(|(_, connection)| connection.open).map(|(id, _)| *id).collect()
    }

    fn count(&self) -> usize {
        let broken = self.lock().broken;
        assert!(!broken, "this is the host's own failure");
        self.ids().len()
    }

    fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        match self.lock().connections.get_mut(&to) {
            None => Err(SendError::Unknown),
            Some(connection) if !connection.open => Err(SendError::NotOpen),
            Some(_) if message.len() > 1 << 20 => Err(SendError::TooLarge),
            Some(connection) => {
                connection.sent.push(owned(message));
                Ok(())
            }
        }
    }

    fn send_all(&self, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(&owned(message), but, |_| true)
    }

    fn send_frame(&self, to: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        let text = format!("frame {} {fin} {}", opcode.as_str(), String::from_utf8_lossy(payload));
        self.send(to, MessageRef::Text(&text))
    }

    fn flush(&self, connection: ConnectionId) -> BoxFuture<Result<(), SendError>> {
        let known = self.lock().connections.contains_key(&connection);
        // Really waits, so that the call leaves its caller's thread.
        Box::pin(async move {
            tokio::task::yield_now().await;
            if known { Ok(()) } else { Err(SendError::Unknown) }
        })
    }

    fn queued(&self, connection: ConnectionId) -> u64 {
        let state = self.lock();
        let connection = state.connections.get(&connection);
        connection.map_or(0, |connection| connection.sent.iter().map(|message| message.len() as u64).sum())
    }

    fn replace(&self, connection: ConnectionId) -> Result<(), SendError> {
        self.close(connection, socklet_core::CloseReason::Replaced.frame())
    }

    fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Result<(), SendError> {
        match self.lock().connections.get_mut(&connection) {
            None => Err(SendError::Unknown),
            Some(connection) => {
                connection.closed.get_or_insert(frame);
                Ok(())
            }
        }
    }

    fn principal_of(&self, connection: ConnectionId) -> Option<Arc<Principal>> {
        self.lock().connections.get(&connection)?.principal.clone()
    }

    fn attachment(&self, connection: ConnectionId) -> Bytes {
        self.lock().connections.get(&connection).map(|connection| connection.attachment.clone()).unwrap_or_default()
    }

    fn set_attachment(&self, connection: ConnectionId, value: Bytes) -> Result<(), SendError> {
        match self.lock().connections.get_mut(&connection) {
            None => Err(SendError::Unknown),
            Some(_) if value.len() > 16 << 10 => Err(SendError::Full),
            Some(connection) => {
                connection.attachment = value;
                Ok(())
            }
        }
    }

    fn subscribe(&self, connection: ConnectionId, topic: &str) -> Result<(), SubscribeError> {
        match self.lock().connections.get_mut(&connection) {
            None => Err(SubscribeError::Unknown),
            Some(_) if topic.is_empty() => Err(SubscribeError::Name),
            Some(connection) => {
                connection.topics.insert(topic.to_owned());
                Ok(())
            }
        }
    }

    fn unsubscribe(&self, connection: ConnectionId, topic: &str) {
        if let Some(connection) = self.lock().connections.get_mut(&connection) {
            connection.topics.remove(topic);
        }
    }

    fn publish(&self, topic: &str, message: MessageRef<'_>, but: Option<ConnectionId>) -> u64 {
        self.fan_out(&owned(message), but, |connection| connection.topics.contains(topic))
    }

    fn subscribers(&self, topic: &str) -> Vec<ConnectionId> {
        let state = self.lock();
        let subscribed = state.connections.iter().filter(|(_, connection)| connection.topics.contains(topic));
        subscribed.map(|(id, _)| *id).collect()
    }

    fn heartbeat(&self) -> Heartbeat {
        self.lock().heartbeat.clone()
    }

    fn set_heartbeat(&self, heartbeat: Heartbeat) {
        self.lock().heartbeat = heartbeat;
    }
}

fn owned(message: MessageRef<'_>) -> Message {
    match message {
        MessageRef::Text(text) => Message::Text(text.into()),
        MessageRef::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
    }
}

/// What a test expects of an answer.
pub(crate) trait Expect {
    /// It goes on.
    fn proceeds(self);
    /// It closes the connection; with this frame.
    fn closes(self) -> CloseFrame;
}

impl Expect for Answer {
    fn proceeds(self) {
        assert_eq!(self, Answer::Proceed);
    }

    fn closes(self) -> CloseFrame {
        match self {
            Answer::Close(frame) => frame,
            answer => panic!("{answer:?}"),
        }
    }
}
