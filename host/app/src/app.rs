//! A server's life after it was built: run, then drain.

use crate::{
    admin::AdminListener,
    certificates::Certificates,
    config::RoutePlan,
    control::{Control, ReloadError},
    endpoint::Endpoint,
    events::{Events, Kind},
    live::Prepared,
    ops::{Health, Ops},
    trace::Tracing,
    usage::Export,
};
use socklet_core::ListenerName;
use socklet_plugin::Plugins;
use socklet_server::{Bind, DrainReport, Server, Workers};
use std::{future::Future, net::SocketAddr, time::Duration};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

/// A server that is ready to serve: plugins loaded, sockets bound.
#[derive(Debug)]
pub struct App {
    pub(crate) server: Server,
    /// Kept for as long as there are plugins to run.
    pub(crate) engine: Plugins,
    /// Kept for as long as there are connections to serve.
    pub(crate) workers: Workers,
    /// What will run when it is started.
    pub(crate) prepared: Prepared,
    pub(crate) certificates: Certificates,
    pub(crate) ops: Option<Ops>,
    pub(crate) admin: Option<AdminListener>,
    pub(crate) control: Control,
    pub(crate) events: Events,
    pub(crate) usage: Option<Export>,
    pub(crate) trace: Option<Tracing>,
    pub(crate) health: Health,
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
    trace: Option<Tracing>,
    health: Health,
}

// === impl App ===

impl App {
    /// The listeners, with the ports that the system chose for port 0.
    pub fn listeners(&self) -> Vec<(ListenerName, Bind)> {
        self.prepared.listeners()
    }

    /// Whether a listener has TLS.
    pub(crate) fn is_secure(&self, listener: &ListenerName) -> bool {
        self.prepared.is_secure(listener)
    }

    /// The operators' address, with the port that the system chose for port 0.
    pub fn ops_addr(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(Ops::local)
    }

    /// Where the admin API is, with the port that the system chose for port 0.
    pub fn admin(&self) -> Option<&Bind> {
        self.admin.as_ref().map(AdminListener::local)
    }

    /// Whether the admin API has TLS.
    pub(crate) fn is_admin_secure(&self) -> bool {
        self.admin.as_ref().is_some_and(AdminListener::is_secure)
    }

    /// The routes, for people.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &RoutePlan> {
        self.prepared.routes()
    }

    /// Starts to serve.
    pub fn start(self) -> Running {
        let listeners = self.listeners();
        self.control.begin(self.prepared);
        self.health.ready();
        let admin = self.admin.map(AdminListener::serve);
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
            trace: self.trace,
            health: self.health,
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
    /// The listeners that it began with, with the ports that the system chose for port 0.
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

    /// Reads the configuration again, from where it came from, and becomes what it says: all of it, or nothing. Both outcomes are logged.
    ///
    /// # Errors
    ///
    /// See [`ReloadError`]: nothing was changed then.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.control.reload(false).await.map(drop)
    }

    #[cfg(test)]
    pub(crate) fn control(&self) -> &Control {
        &self.control
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
        let plan = self.control.drain_plan();
        plan.delay + plan.timeout
    }

    /// Readiness false, no new connections after `drain.delay`, all closed in batches, what is left at the deadline cut off.
    pub async fn drain(self) -> DrainReport {
        let mut plan = self.control.drain_plan();
        if self.health.is_draining() {
            // Load balancers know it since an operator has drained the node.
            plan.delay = Duration::ZERO;
        }
        self.health.draining();
        info!(connections = self.server.connections(), timeout = ?plan.timeout, "draining");
        let drain = self.control.drain_to_end(plan.clone());
        drain.tell(&self.events, Kind::DrainStarted);
        let report = {
            let drained = self.server.drain(plan);
            let look = || drain.progress.tell(drain.progress.total(), self.server.connections());
            tokio::select! {
                report = drained => report,
                never = drain.tell_progress(&self.events, look) => match never {},
            }
        };
        self.control.drained_to_end(&drain, report.forced);
        if let Some(usage) = self.usage {
            usage.finish().await;
        }
        if let Some(trace) = self.trace {
            trace.finish().await;
        }
        info!(closed = report.closed, forced = report.forced, "drained");
        report
    }

    /// Waits until an operator wants the process to end.
    pub async fn asked_to_stop(&self) {
        self.control.asked_to_stop().await;
    }
}
