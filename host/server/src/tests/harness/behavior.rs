//! A behavior whose hooks are closures, and which watches how it is called.

use super::{Log, frame};
use crate::RouteConnections;
use socklet_core::{
    Acceptance, Answer, Behavior, BoxFuture, Call, CallError, ConnectionId, Connections, DeathKind, Event, EventId,
    Lifeline, Message, Principal, Response, SendError, Session, UpgradeRequest, Upgraded,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// What a hook can reach.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) id: ConnectionId,
    pub(crate) connections: Arc<RouteConnections>,
    pub(crate) lifeline: Lifeline,
    pub(crate) request: Arc<UpgradeRequest>,
    pub(crate) principal: Option<Arc<Principal>>,
}

type OnEvent = dyn Fn(&Guest, &Event) -> Call + Send + Sync;
/// What `on-upgrade` says.
pub(crate) type Answered = Result<Result<Acceptance, Response>, CallError>;
type OnUpgrade = dyn Fn(Guest) -> BoxFuture<Answered> + Send + Sync;

/// A behavior that is two closures.
#[derive(Clone)]
pub(crate) struct Fake {
    on_event: Arc<OnEvent>,
    on_upgrade: Arc<OnUpgrade>,
}

/// A [`Fake`] of one route.
pub(super) struct FakeBehavior {
    pub(super) fake: Fake,
    pub(super) connections: Arc<RouteConnections>,
    pub(super) log: Arc<Log>,
    pub(super) lifeline: Lifeline,
}

struct FakeSession {
    guest: Guest,
    on_event: Arc<OnEvent>,
    log: Arc<Log>,
    calling: Arc<AtomicBool>,
    failed: bool,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError> {
        self.connections.send(self.id, message.as_ref())
    }
}

// === impl Fake ===

impl Fake {
    pub(crate) fn new(on_event: impl Fn(&Guest, &Event) -> Call + Send + Sync + 'static) -> Self {
        let accepted = |_| -> BoxFuture<Answered> { Box::pin(async { Ok(Ok(Acceptance::default())) }) };
        Self { on_event: Arc::new(on_event), on_upgrade: Arc::new(accepted) }
    }

    pub(crate) fn on_upgrade<F>(mut self, on_upgrade: impl Fn(Guest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        self.on_upgrade = Arc::new(move |guest| Box::pin(on_upgrade(guest)));
        self
    }
}

// === impl FakeBehavior ===

impl Behavior for FakeBehavior {
    fn upgrade(
        &self,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> BoxFuture<Result<Upgraded, CallError>> {
        let (connections, lifeline) = (self.connections.clone(), self.lifeline.clone());
        let guest = Guest { id: request.connection, connections, lifeline, request, principal };
        let session = FakeSession {
            guest: guest.clone(),
            on_event: self.fake.on_event.clone(),
            log: self.log.clone(),
            calling: Arc::default(),
            failed: false,
        };
        let answer = (self.fake.on_upgrade)(guest);
        Box::pin(async move {
            Ok(match answer.await? {
                Ok(acceptance) => Upgraded::Accepted(acceptance, Box::new(session)),
                Err(response) => Upgraded::Answered(response),
            })
        })
    }
}

// === impl FakeSession ===

impl Session for FakeSession {
    fn call(&mut self, event: Event) -> Call {
        if self.calling.load(Ordering::SeqCst) {
            self.log.fault(format!("{event:?} while another call was going on"));
        }
        if self.failed && !matches!(event, Event::Close(_)) {
            self.log.fault(format!("{event:?} after the instance died"));
        }
        self.log.told(self.guest.id, event.clone());
        match (self.on_event)(&self.guest, &event) {
            Call::Done(outcome) => {
                self.failed |= outcome.is_err();
                Call::Done(outcome)
            }
            Call::Pending(call) => {
                self.calling.store(true, Ordering::SeqCst);
                let calling = Calling(self.calling.clone());
                Call::Pending(Box::pin(async move {
                    let _calling = calling;
                    call.await
                }))
            }
        }
    }

    fn lifeline(&self) -> &Lifeline {
        &self.guest.lifeline
    }
}

/// A call that is going on: over when it is done or given up.
struct Calling(Arc<AtomicBool>);

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

// === the answers of hooks ===

pub(crate) fn done() -> Call {
    Call::Done(Ok(Answer::Proceed))
}

/// Closes the connection with this frame.
pub(crate) fn refuses(code: u16, reason: &str) -> Call {
    Call::Done(Ok(Answer::Close(frame(code, reason))))
}

/// The instance dies, and those who share it hear of it.
pub(crate) fn dies(guest: &Guest) -> Call {
    let event = EventId::next();
    guest.lifeline.cut(event);
    Call::Done(Err(CallError::Died { kind: DeathKind::Trap, event }))
}

/// The host cannot make the call.
pub(crate) fn fails() -> Call {
    Call::Done(Err(CallError::Host { event: EventId::next() }))
}

/// Answers only after a while.
pub(crate) fn later(after: Duration, answer: impl FnOnce() -> Call + Send + 'static) -> Call {
    Call::Pending(Box::pin(async move {
        sleep(after).await;
        match answer() {
            Call::Done(outcome) => outcome,
            Call::Pending(call) => call.await,
        }
    }))
}

pub(crate) fn never() -> Call {
    Call::Pending(Box::pin(std::future::pending()))
}

/// Sends every message back.
pub(crate) fn echo(guest: &Guest, event: &Event) -> Call {
    if let Event::Message(message) = event {
        let _ = guest.send(message.clone()); // what is full closes the connection
    }
    done()
}

/// Answers messages; everything else goes well.
pub(crate) fn when_message(
    on_message: impl Fn(&Guest, &Message) -> Call + Send + Sync + 'static,
) -> impl Fn(&Guest, &Event) -> Call + Send + Sync + 'static {
    move |guest, event| if let Event::Message(message) = event { on_message(guest, message) } else { done() }
}

macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

opaque!(Fake, FakeBehavior, FakeSession);
