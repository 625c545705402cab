//! A route that runs: one thread, a clock that stands still, and what a script or a test does with it.

use crate::{
    conversation::{Entry, Event, Payload},
    expect::{Expected, Mismatch},
    idle::Idle,
    request::{ROUTE, Refused, Request, TENANT},
    setup::{Component, Setup},
    world::{self, Input, World, close_of_peer},
};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use socklet_core::{
    Acceptance, Authenticator, Behavior, CallError, ConnectionId, EventId, Frame, Opcode, Principal, Quotas, Refusal,
    Tenant, UpgradeRequest, Upgraded, Verdict,
};
use socklet_plugin::{
    EngineConfig, EngineError, InstancePolicy, LoadError, Plugin, Plugins, RouteAuthenticator, RouteBehavior, Swapped,
    WrongKind,
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::runtime::Runtime;

/// Instances of one test, and large ones.
const MAX_INSTANCES: u32 = 1_024;
const MAX_LARGE_INSTANCES: u32 = 64;
/// When to come back where there is no room; nobody reads it here.
const LATER: Duration = Duration::from_secs(1);

/// A test could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no runtime, or no folder.
    #[error("failed to start the runtime: {0}")]
    Runtime(#[from] io::Error),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component does not load.
    #[error("failed to load the plugin: {0}")]
    Load(#[from] LoadError),
    /// A component is for something else.
    #[error(transparent)]
    Kind(#[from] WrongKind),
}

/// A route that runs.
pub(crate) struct Stage {
    // In this order: tasks go before what they use.
    runtime: Runtime,
    idle: Idle,
    world: Arc<World>,
    plugin: Plugin,
    component: Component,
    policy: InstancePolicy,
    behavior: RouteBehavior,
    authenticators: Vec<RouteAuthenticator>,
    subprotocols: Vec<String>,
    // Both last as long as the route.
    _plugins: Plugins,
    _folder: Option<tempfile::TempDir>,
}

/// Why a request became no connection.
enum No {
    Answered(Refused),
    Host(Refusal),
}

// === impl Stage ===

impl Stage {
    pub(crate) fn start(setup: Setup) -> Result<Self, StartError> {
        let (runtime, idle) = Idle::runtime()?;
        let world = {
            let _time = runtime.enter();
            World::new(setup.limits, setup.heartbeat, setup.epoch, setup.seed)
        };
        let folder = setup.cache.is_none().then(tempfile::tempdir).transpose()?;
        let cache = setup.cache.or_else(|| folder.as_ref().map(|folder| folder.path().join("cache")));
        let config = EngineConfig {
            max_instances: MAX_INSTANCES,
            max_large_instances: MAX_LARGE_INSTANCES,
            alone_on: Some(runtime.handle().clone()),
            surroundings: Some(world.clone()),
            compiler: setup.compiler,
            ..EngineConfig::new(cache.expect("one of the two is there"))
        };
        let plugins = Plugins::new(config, &mut Registry::default())?;
        let fleeting = setup.instances.policy == InstancePolicy::Event;
        let plugin = runtime.block_on(plugins.load(setup.behavior.config("plugin", fleeting)))?;
        let tenant = Arc::new(Tenant::new(TENANT.parse().expect("a valid name"), Quotas::default()));
        let route = ROUTE.parse().expect("a valid name");
        let policy = setup.instances.policy.clone();
        let behavior = plugin.behavior(&tenant, &route, setup.instances, world.clone())?;
        let mut authenticators = Vec::new();
        for (index, authenticator) in setup.authenticators.iter().enumerate() {
            let config = authenticator.config(&format!("authenticator-{}", index + 1), false);
            authenticators.push(runtime.block_on(plugins.load(config))?.authenticator(&tenant, &route)?);
        }
        Ok(Self {
            runtime,
            idle,
            world,
            plugin,
            component: setup.behavior,
            policy,
            behavior,
            authenticators,
            subprotocols: setup.subprotocols,
            _plugins: plugins,
            _folder: folder,
        })
    }

    /// Does something, and then everything that follows from it at this moment.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let done = work.await;
            loop {
                self.idle.settled().await;
                if self.world.is_calm() {
                    return done;
                }
                // A call waits for something that only time brings, such as the end of a guest's sleep, or its deadline.
                self.world.calm().await;
            }
        })
    }

    // --- peers ---

    pub(crate) fn connect(&self, name: &str, request: Request) -> Result<ConnectionId, Refused> {
        self.run(async {
            self.world.happened(Some(name), Event::Connects { target: request.target() });
            let answer = self.ask(name, request).await;
            let event = match &answer {
                Ok((_, subprotocol)) => Event::Accepted { subprotocol: subprotocol.clone() },
                Err(refused) => Event::Refused { status: refused.status, body: refused.text() },
            };
            self.world.happened(Some(name), event);
            answer.map(|(id, _)| id)
        })
    }

    async fn ask(&self, name: &str, request: Request) -> Result<(ConnectionId, Option<String>), Refused> {
        let (given, offered) = (request.principal.clone(), request.subprotocols.clone());
        let id = self.world.register(name);
        let request = Arc::new(request.into_upgrade(id));
        let answer = self.admit(id, &request, given, &offered).await;
        answer.map_err(|no| {
            self.world.forget(id);
            match no {
                No::Answered(refused) => refused,
                No::Host(refusal) => self.refused(&refusal),
            }
        })
    }

    async fn admit(
        &self,
        id: ConnectionId,
        request: &Arc<UpgradeRequest>,
        given: Option<Principal>,
        offered: &[String],
    ) -> Result<(ConnectionId, Option<String>), No> {
        let principal = self.authenticate(request).await?.or(given).map(Arc::new);
        self.world.with(id, |connection| connection.belongs_to(principal.clone()));
        match self.behavior.upgrade(request.clone(), principal).await.map_err(No::of)? {
            Upgraded::Answered(response) => Err(No::Answered(response.into())),
            Upgraded::Accepted(acceptance, session) => {
                let subprotocol = self.agree(acceptance, offered)?;
                tokio::spawn(world::serve(self.world.clone(), id, session));
                self.world.with(id, |connection| connection.subprotocol.clone_from(&subprotocol));
                Ok((id, subprotocol))
            }
        }
    }

    /// Who it is; none on a route that asks nobody.
    async fn authenticate(&self, request: &Arc<UpgradeRequest>) -> Result<Option<Principal>, No> {
        for authenticator in &self.authenticators {
            match authenticator.authenticate(request.clone()).await.map_err(No::of)? {
                Verdict::Grant(principal) => return Ok(Some(principal)),
                Verdict::Deny(response) => return Err(No::Answered(response.into())),
                Verdict::Abstain => {}
            }
        }
        if self.authenticators.is_empty() { Ok(None) } else { Err(No::Host(Refusal::Unauthenticated)) }
    }

    fn agree(&self, acceptance: Acceptance, offered: &[String]) -> Result<Option<String>, No> {
        match acceptance.subprotocol {
            Some(chosen) if offered.contains(&chosen) => Ok(Some(chosen)),
            Some(chosen) => {
                let error = format!("the subprotocol {chosen:?} was not offered");
                self.world.happened(None, Event::Died { hook: "on-upgrade", kind: "invalid-answer", error });
                Err(No::Host(Refusal::PluginFailed(EventId::next())))
            }
            None => Ok(self.subprotocols.iter().find(|name| offered.contains(name)).cloned()),
        }
    }

    /// A refusal of the host's, with the number of the failure for its name.
    fn refused(&self, refusal: &Refusal) -> Refused {
        let text = match refusal {
            Refusal::PluginFailed(event) => {
                refusal.text().replace(&event.to_string(), &self.world.number(*event).to_string())
            }
            _ => refusal.text().into_owned(),
        };
        Refused::new(refusal.status().as_u16(), text)
    }

    /// Something of a peer's. An error when its connection has ended.
    fn input(&self, id: ConnectionId, input: Input, event: Event) -> Result<(), Mismatch> {
        let sent = self.run(async {
            let up = self.world.with(id, |connection| {
                connection.is_up().then(|| {
                    connection.incoming.push_back(input);
                    connection.name.clone()
                })
            });
            let name = up.flatten()?;
            // Before anything that follows from it: no task has run yet.
            self.world.happened(Some(&name), event);
            Some(())
        });
        sent.ok_or_else(|| Mismatch::new("an open connection", "one that has ended"))
    }

    /// One frame; most messages are one.
    pub(crate) fn send(&self, id: ConnectionId, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), Mismatch> {
        let event = Event::Sends { payload: Payload::of_frame(opcode, fin, payload) };
        let frame = Frame { opcode, fin, payload: Bytes::copy_from_slice(payload) };
        self.input(id, Input::Frame(frame), event)
    }

    /// Closes the connection; none for an empty close frame.
    pub(crate) fn close(&self, id: ConnectionId, frame: Option<(u16, &str)>) -> Result<(), Mismatch> {
        let close = match frame {
            None => None,
            Some((code, reason)) => Some(close_of_peer(code, reason).ok_or_else(|| {
                let expected = "a code that a peer may send (1000 to 1003, 1007 to 1014, 3000 to 4999), a reason of at most 123 bytes";
                Mismatch::new(expected, format!("{code} {reason:?}"))
            })?),
        };
        let (code, reason) = frame.unzip();
        self.input(id, Input::Close(close), Event::Closes { code, reason: reason.unwrap_or_default().to_owned() })
    }

    pub(crate) fn vanish(&self, id: ConnectionId) -> Result<(), Mismatch> {
        self.input(id, Input::Vanished, Event::Vanishes)
    }

    /// From now on a peer reads what is sent, or does not.
    pub(crate) fn reads(&self, id: ConnectionId, reads: bool) {
        self.run(async { self.world.reads(id, reads) });
    }

    /// From now on a peer answers pings, or does not.
    pub(crate) fn answers(&self, id: ConnectionId, answers: bool) {
        self.world.with(id, |connection| connection.patience.answers = answers);
    }

    // --- what comes ---

    /// What a peer hears next is this.
    pub(crate) fn expect(&self, id: ConnectionId, expected: &Expected) -> Result<(), Mismatch> {
        let checked = self.world.with(id, |connection| {
            expected.check(connection.inbox.front()).inspect(|()| drop(connection.inbox.pop_front()))
        });
        checked.unwrap_or_else(|| Err(Mismatch::new(expected.to_string(), "no such connection")))
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn conversation(&self) -> Vec<Entry> {
        self.world.state().conversation.clone()
    }

    // --- the route ---

    /// Lets time pass: everything that is due meanwhile happens when it is due.
    pub(crate) fn advance(&self, by: Duration) {
        self.run(async {
            self.world.happened(None, Event::Advanced { by });
            tokio::time::sleep(by).await;
        });
    }

    pub(crate) fn hibernate(&self, id: ConnectionId) -> Result<(), Mismatch> {
        let slept = self.run(async {
            let slept = self.behavior.hibernate(id).await;
            if slept.is_ok() {
                let name = self.world.with(id, |connection| connection.name.clone());
                self.world.happened(name.as_deref(), Event::Hibernated);
            }
            slept
        });
        slept.map_err(|error| Mismatch::new("an instance that sleeps", error.to_string()))
    }

    /// Has another component take over, with the same settings.
    pub(crate) fn swap(&mut self, source: socklet_plugin::Source) -> Result<(), Mismatch> {
        let component = Component { source, ..self.component.clone() };
        let config = component.config("plugin", self.policy == InstancePolicy::Event);
        let swapped = self.run(async {
            let swapped = self.plugin.swap(config).await;
            if let Ok(Swapped::To(status)) = &swapped {
                self.world.happened(None, Event::Swapped { version: status.version });
            }
            swapped
        });
        match swapped {
            Ok(Swapped::To(_)) => {
                self.component = component;
                Ok(())
            }
            Ok(_) => Err(Mismatch::new("another version", "the same component with the same settings")),
            Err(error) => Err(Mismatch::new("another version", error.to_string())),
        }
    }

    pub(crate) fn kill(&self, id: ConnectionId) -> Result<(), Mismatch> {
        let killed = self.run(async {
            let name = self.world.with(id, |connection| connection.name.clone());
            self.world.happened(name.as_deref(), Event::Killed);
            self.behavior.kill(id).await
        });
        if killed { Ok(()) } else { Err(Mismatch::new("an instance to kill", "none")) }
    }

    /// What the instance that serves a connection is doing: `live`, `hibernated`, `dead`; none without one.
    pub(crate) fn instance(&self, id: ConnectionId) -> Option<&'static str> {
        self.behavior.instance_of(id).map(|status| status.state.as_str())
    }

    /// What was agreed on when a peer was let in.
    pub(crate) fn subprotocol(&self, id: ConnectionId) -> Option<String> {
        self.world.with(id, |connection| connection.subprotocol.clone())?
    }

    /// In how long the timer of a name is due, where a connection is served.
    pub(crate) fn timer(&self, id: ConnectionId, name: &str) -> Option<Duration> {
        self.behavior.timers_of(id).remove(name)
    }
}

// === impl No ===

impl No {
    fn of(error: CallError) -> Self {
        Self::Host(match error {
            CallError::Busy { .. } => Refusal::Unavailable { retry_after: LATER },
            CallError::Resting { retry_after } => Refusal::Unavailable { retry_after },
            CallError::Died { event, .. } | CallError::Host { event } => Refusal::PluginFailed(event),
        })
    }
}
