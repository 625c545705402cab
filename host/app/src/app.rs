//! A server's life after it was built: run, then drain.

use crate::{
    admin::Admin,
    certificates::Certificates,
    config::RoutePlan,
    control::{Control, ReloadError},
    endpoint::{Endpoint, Socket},
    events::{Events, Kind},
    ops::{Health, Ops},
    usage::Export,
};
use serde_json::json;
use socklet_core::{ListenerName, PluginName};
use socklet_plugin::Plugins;
use socklet_server::{Bind, Drain, DrainReport, Listener, Server, Workers};
use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

/// How often operators are told how a drain goes on.
const PROGRESS: Duration = Duration::from_millis(200);

/// A server that is ready to serve: plugins loaded, sockets bound.
#[derive(Debug)]
pub struct App {
    pub(crate) server: Server,
    /// Kept for as long as there are plugins to run.
    pub(crate) engine: Plugins,
    /// Kept for as long as there are connections to serve.
    pub(crate) workers: Workers,
    pub(crate) listeners: Vec<(ListenerName, Listener)>,
    pub(crate) certificates: Certificates,
    pub(crate) routes: Vec<Served>,
    pub(crate) ops: Option<Ops>,
    pub(crate) admin: Option<(Socket, Admin)>,
    pub(crate) control: Control,
    pub(crate) events: Events,
    pub(crate) usage: Option<Export>,
    pub(crate) health: Health,
    pub(crate) drain: Drain,
}

/// A server that serves, until [`Running::drain`] or the end of its runtime.
#[derive(Debug)]
pub struct Running {
    server: Server,
    _engine: Plugins,
    _workers: Workers,
    listeners: Vec<(ListenerName, Bind)>,
    _certificates: AbortOnDropHandle<()>,
    ops: Option<Ops>,
    admin: Option<Endpoint>,
    control: Control,
    events: Events,
    _records: AbortOnDropHandle<()>,
    usage: Option<Export>,
    health: Health,
    drain: Drain,
}

/// A route as it is shown to people.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    listeners: Vec<ListenerName>,
    host: Option<String>,
    path: String,
    files: bool,
    behavior: Option<PluginName>,
}

// === impl App ===

impl App {
    /// The listeners, with the ports that the system chose for port 0.
    pub fn listeners(&self) -> Vec<(ListenerName, Bind)> {
        self.listeners.iter().map(|(name, listener)| (name.clone(), listener.local())).collect()
    }

    /// Whether a listener has TLS.
    pub(crate) fn is_secure(&self, listener: &ListenerName) -> bool {
        self.listeners.iter().any(|(name, bound)| name == listener && bound.tls().is_some())
    }

    /// The operators' address, with the port that the system chose for port 0.
    pub fn ops_addr(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(Ops::local)
    }

    /// Where the admin API is, with the port that the system chose for port 0.
    pub fn admin(&self) -> Option<&Bind> {
        self.admin.as_ref().map(|(socket, _)| socket.local())
    }

    /// The routes, for people.
    pub(crate) fn routes(&self) -> &[Served] {
        &self.routes
    }

    /// Starts to serve.
    pub fn start(self) -> Running {
        let listeners = self.listeners();
        for (_, listener) in self.listeners {
            self.server.serve(listener);
        }
        self.health.ready();
        let admin = self.admin.map(|(socket, admin)| admin.serve(socket));
        let names = listeners.iter().map(|(name, bind)| format!("{name}={bind}")).collect::<Vec<_>>().join(" ");
        let (ops, api) = (self.ops.as_ref().map(Ops::local), admin.as_ref().map(Endpoint::local));
        info!(listeners = names, ops = ops.map(|ops| ops.to_string()), admin = api.map(ToString::to_string), "serving");
        Running {
            server: self.server,
            _engine: self.engine,
            _workers: self.workers,
            listeners,
            _certificates: self.certificates.watch(),
            ops: self.ops,
            admin,
            _records: AbortOnDropHandle::new(tokio::spawn(self.control.clone().keep_records())),
            control: self.control,
            events: self.events,
            usage: self.usage,
            health: self.health,
            drain: self.drain,
        }
    }

    /// Serves until `shutdown` is done, then drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> DrainReport {
        let running = self.start();
        shutdown.await;
        running.drain().await
    }
}

// === impl Running ===

impl Running {
    /// The listeners, with the ports that the system chose for port 0.
    pub fn listeners(&self) -> &[(ListenerName, Bind)] {
        &self.listeners
    }

    /// The operators' address, with the port that the system chose for port 0.
    pub fn ops_addr(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(Ops::local)
    }

    /// Where the admin API is, with the port that the system chose for port 0.
    pub fn admin(&self) -> Option<&Bind> {
        self.admin.as_ref().map(Endpoint::local)
    }

    /// Reads the configuration again, from where it came from, and swaps the plugins that are others now: all of them, or none. Both
    /// outcomes are logged.
    ///
    /// # Errors
    ///
    /// See [`ReloadError`]: nothing was changed then.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.control.reload().await.map(drop)
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The server, for whoever looks whether it lives.
    pub(crate) fn server(&self) -> Server {
        self.server.clone()
    }

    /// The longest that a drain takes.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain.timeout
    }

    /// Readiness false, no new connections, all closed with 1012 in batches, what is left at the deadline cut off.
    pub async fn drain(self) -> DrainReport {
        self.health.draining();
        info!(connections = self.server.connections(), timeout = ?self.drain.timeout, "draining");
        let (connections, timeout) = (self.server.connections(), self.drain.timeout.as_secs_f64());
        self.events.tell_node(Kind::DrainStarted, json!({ "connections": connections, "timeout_seconds": timeout }));
        let report = {
            let drained = self.server.drain(self.drain.clone());
            tokio::select! {
                report = drained => report,
                never = self.tell_progress() => match never {},
            }
        };
        if let Some(usage) = self.usage {
            usage.finish().await;
        }
        info!(closed = report.closed, forced = report.forced, "drained");
        report
    }

    /// Tells operators how many connections are left, again and again.
    async fn tell_progress(&self) -> Infallible {
        loop {
            tokio::time::sleep(PROGRESS).await;
            self.events.tell_node(Kind::DrainProgress, json!({ "connections": self.server.connections() }));
        }
    }
}

// === impl Served ===

impl Served {
    pub(crate) fn of(plan: &RoutePlan) -> Self {
        Self {
            listeners: plan.config.listeners.clone(),
            host: plan.config.hosts.first().cloned(),
            path: plan.shown_path.clone(),
            files: plan.config.files.is_some(),
            behavior: plan.behavior.clone(),
        }
    }

    /// Whether a listener serves it.
    pub(crate) fn is_on(&self, listener: &ListenerName) -> bool {
        self.listeners.is_empty() || self.listeners.contains(listener)
    }

    /// The first of its hosts.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Its path as it was written.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it serves files.
    pub(crate) fn files(&self) -> bool {
        self.files
    }

    /// The plugin that serves its connections.
    pub(crate) fn behavior(&self) -> Option<&PluginName> {
        self.behavior.as_ref()
    }
}
