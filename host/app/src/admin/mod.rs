//! The admin API: operators look at what runs, and change it. JSON over HTTP, on a listener of its own.
//!
//! [`operations`] is the list of everything that it does. A request is let in ([`crate::access`]), finds its operation, is checked against
//! what whoever asks may see and do, and every change leaves a line in the audit log, whatever came of it.

mod audit;
mod body;
mod call;
mod connections;
mod console;
mod drains;
mod events;
mod failures;
mod limits;
mod listeners;
mod message;
mod openapi;
mod operations;
mod page;
mod patch;
mod plugins;
mod problem;
mod reload;
mod routes;
mod status;
mod tenants;
mod usage;

use crate::{
    access::{Access, Identity, Role, Shown},
    control::Control,
    endpoint::{self, Answers, Endpoint, Peer, Socket, Terms},
    events::Events,
    ops::Health,
};
use audit::Audit;
use body::Body;
use call::{Call, Reply};
use failures::{Client, Failures};
use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use plugins::Owners;
use problem::Problem;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use socklet_core::Rate;
use socklet_plugin::Plugins;
use socklet_server::{Bind, ClientCertificate, Server, TlsAcceptor};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::Semaphore;
use tracing::{info_span, warn};

/// A large component takes its time to be compiled.
const TERMS: Terms = Terms { connections: 64, request: Duration::from_secs(300) };
/// How long whoever is not let in waits for the answer, so that a flood of such requests is no faster.
const PENALTY: Duration = Duration::from_millis(100);

/// The admin API. Clones share what it changes.
#[derive(Clone, Debug)]
pub(crate) struct Admin(Arc<State>);

/// The API with a socket that nobody accepts from yet.
#[derive(Debug)]
pub(crate) struct AdminListener {
    pub(crate) socket: Socket,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) admin: Admin,
}

/// What the operations work with.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) control: Control,
    pub(crate) server: Server,
    pub(crate) engine: Plugins,
    pub(crate) events: Events,
    pub(crate) access: Access,
    pub(crate) health: Health,
    failures: Failures,
    /// By the wall clock, and by the one that never goes back.
    started: (SystemTime, Instant),
    /// Room for those who read along.
    readers: Arc<Semaphore>,
    /// Room for large bodies.
    large: Arc<Semaphore>,
    measured: Measured,
}

/// What is counted of the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    requests: Family<Outcome, Counter>,
    readers: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What the API reaches.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) control: Control,
    pub(crate) server: Server,
    pub(crate) engine: Plugins,
    pub(crate) events: Events,
    pub(crate) access: Access,
    pub(crate) health: Health,
}

// === impl AdminListener ===

impl AdminListener {
    /// Where it is, with the port that the system chose for port 0.
    pub(crate) fn local(&self) -> &Bind {
        self.socket.local()
    }

    /// Whether it has TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves it from now on.
    pub(crate) fn serve(self) -> Endpoint {
        self.socket.serve(TERMS, self.tls, self.admin, info_span!("admin"))
    }
}

// === impl Admin ===

impl Admin {
    /// The API. `failure_rate` is how often a client may be refused for what it shows.
    pub(crate) fn new(reach: Reach, failure_rate: Rate, registry: &mut Registry) -> Self {
        let measured = Measured::register(registry);
        let Reach { control, server, engine, events, access, health } = reach;
        Self(Arc::new(State {
            control,
            server,
            engine,
            events,
            access,
            health,
            failures: Failures::new(failure_rate),
            started: (SystemTime::now(), Instant::now()),
            readers: Arc::new(Semaphore::new(events::READERS)),
            large: Arc::new(Semaphore::new(body::LARGE_AT_A_TIME)),
            measured,
        }))
    }

    /// Lets a request in, or not.
    fn admit(&self, peer: Peer, head: &Parts) -> Result<Arc<Identity>, Problem> {
        if let Some(left) = self.0.failures.blocked(&peer.into()) {
            return Err(Problem::TooManyFailures(left.as_secs() + 1));
        }
        let shown = Shown {
            authorization: head.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes),
            certificate: head.extensions.get::<Arc<ClientCertificate>>().map(|certificate| &**certificate),
        };
        Ok(self.0.access.admit(shown, || peer.to_string())?)
    }

    /// Answers a request. Its body is given back, as far as it was not read.
    async fn handle(&self, peer: Peer, head: Parts, body: Body) -> (Result<Reply, Problem>, Body) {
        let who = match self.admit(peer, &head) {
            Ok(who) => who,
            Err(problem) => return (Err(problem), body),
        };
        let found = operations::find(&head.method, head.uri.path());
        // What belongs to others is not there, for whatever method.
        let hidden = |(operation, captured): &operations::Found| {
            let foreign = |(name, value): &(&str, String)| {
                *name == "tenant" && who.tenant.as_ref().is_some_and(|own| own.as_str() != value)
            };
            (who.tenant.is_some() && !operation.for_tenants, captured.iter().find(|one| foreign(one)).cloned())
        };
        let (operation, captured) = match found {
            Ok(found) => match hidden(&found) {
                (true, _) => return (Err(Problem::NoSuchPath), body),
                (false, Some((_, tenant))) => return (Err(Problem::NoSuch("tenant", tenant)), body),
                (false, None) => found,
            },
            Err(problem) => return (Err(problem), body),
        };
        let changes = operation.method != Method::GET;
        let audit = changes.then(|| {
            let on = captured.iter().map(|(_, value)| value.as_str());
            Audit::new(who.clone(), peer, operation.name, on)
        });
        let may = !changes || who.role == Role::Write;
        let mut call = Call { state: self.0.clone(), who, head, body, captured, audit };
        let outcome = match (may, self.0.failures.blocked(&Client::from(&*call.who))) {
            (true, _) => (operation.run)(&mut call).await,
            (false, Some(left)) => Err(Problem::TooManyFailures(left.as_secs() + 1)),
            (false, None) => {
                self.0.failures.count(Client::from(&*call.who));
                Err(Problem::ReadOnly)
            }
        };
        if let Some(audit) = call.audit.take() {
            audit.note(&outcome);
        }
        (outcome, call.body)
    }

    /// Whoever is not let in is counted, told of, and made to wait.
    async fn punish(&self, peer: Peer, problem: &Problem) {
        match problem {
            Problem::NoToken | Problem::WrongToken | Problem::UnknownCertificate => {
                warn!(who = %peer, "a request without the right token or certificate was refused");
                if self.0.failures.count(peer.into()) {
                    warn!(who = %peer, "refused too often: the next requests are answered with 429");
                }
            }
            Problem::TooManyFailures(_) => {}
            _ => return,
        }
        tokio::time::sleep(PENALTY).await;
    }
}

impl Answers for Admin {
    fn answer(&self, peer: Peer, request: Request<Incoming>) -> impl Future<Output = Response<endpoint::Body>> + Send {
        let admin = self.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = Body::new(&head, body, &admin.0.large);
            let (outcome, body) = match console::find(&head.method, head.uri.path()) {
                Some(file) => (file, body),
                None => admin.handle(peer, head, body).await,
            };
            let outcome_name = outcome.as_ref().err().map_or("ok", Problem::outcome);
            admin.0.measured.requests.get_or_create(&Outcome { outcome: outcome_name }).inc();
            let answer = match outcome {
                Ok(answer) => answer,
                Err(problem) => {
                    admin.punish(peer, &problem).await;
                    problem.into_answer()
                }
            };
            body.discard().await;
            answer
        }
    }
}

// === impl Measured ===

impl Measured {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let measured = Self::default();
        registry.register("admin_requests", "Requests to the admin API", measured.requests.clone());
        registry.register("admin_readers", "Who reads along what happens", measured.readers.clone());
        measured
    }
}

// === impl State ===

impl State {
    /// Who has which plugin.
    fn owners(&self) -> Owners {
        Owners::now(self)
    }
}
