//! What the guests share: births and obituaries, so that a test can count hooks from outside.
//!
//! Every behavior here is wrapped in [`Observed`]: `on_open` publishes `{"opened":ID}` to the topic `births`, `on_close` publishes
//! an obituary to the topic `obituaries`, and the texts `watch` and `watch-births` subscribe their sender. A connection that came
//! with the query `watch` is an observer: it gets both topics, and the guest never hears of it.

use serde_json::{Value, json};
use socklet_sdk::{
    Acceptance, Behavior, Cause, Close, Connection, Disposition, Ending, Frame, Frames, Message, Principal, Request,
    Response, State, TimerEvents, topics,
};
use std::error::Error;

const OBSERVER: &[u8] = b"observer";

/// A behavior, watched.
#[derive(Debug, Default)]
pub struct Observed<T> {
    guest: T,
    calls: u64,
}

// === impl Observed ===

impl<T: Behavior> Behavior for Observed<T> {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.guest.start()
    }

    fn on_upgrade(&mut self, request: Request, principal: Option<Principal>) -> Result<Acceptance, Response> {
        self.calls += 1;
        if request.query.as_deref() == Some("watch") {
            request.connection().set_attachment(OBSERVER).map_err(Response::internal_error)?;
            return Ok(Acceptance::default());
        }
        self.guest.on_upgrade(request, principal)
    }

    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        self.calls += 1;
        topics::publish("births", json!({ "opened": connection.id() }).to_string(), None);
        if is_observer(connection) {
            connection.subscribe("births")?;
            connection.subscribe("obituaries")?;
            return Ok(connection.send("watching")?);
        }
        self.guest.on_open(connection)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.calls += 1;
        if is_observer(connection) {
            return echo(connection, message);
        }
        let topic = match message.text() {
            Some("watch") => "obituaries",
            Some("watch-births") => "births",
            _ => return self.guest.on_message(connection, message),
        };
        connection.subscribe(topic)?;
        Ok(connection.send("watching")?)
    }

    fn on_close(&mut self, connection: Connection, ending: Ending) {
        let obituary = obituary(connection, &ending, self.calls == 0);
        self.calls += 1;
        topics::publish("obituaries", obituary.to_string(), None);
        if !is_observer(connection) {
            self.guest.on_close(connection, ending);
        }
    }
}

impl<T: Frames> Frames for Observed<T> {
    fn on_frame(&mut self, connection: Connection, frame: Frame) -> Disposition {
        self.calls += 1;
        if is_observer(connection) {
            return Disposition::Process;
        }
        self.guest.on_frame(connection, frame)
    }
}

impl<T: State> State for Observed<T> {
    fn save(&mut self) -> Result<Vec<u8>, String> {
        self.guest.save()
    }

    fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
        self.calls += 1;
        self.guest.load(state)
    }
}

impl<T: TimerEvents> TimerEvents for Observed<T> {
    fn on_timer(&mut self, name: String) {
        self.guest.on_timer(name);
    }
}

fn is_observer(connection: Connection) -> bool {
    connection.attachment() == OBSERVER
}

/// What is published when a connection has ended; `fresh` says that no other hook was called on this instance before.
fn obituary(connection: Connection, ending: &Ending, fresh: bool) -> Value {
    json!({
        "closed": connection.id(),
        "code": ending.close.code,
        "reason": ending.close.reason,
        "cause": cause(&ending.cause),
        "clean": ending.clean,
        "duration_ms": ending.duration_ms,
        "messages_received": ending.messages_received,
        "messages_sent": ending.messages_sent,
        "attachment": String::from_utf8_lossy(&connection.attachment()),
        "principal": connection.principal().map(|principal| principal.subject),
        "fresh": fresh,
    })
}

/// The cause as the contract spells it.
fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Client => "client",
        Cause::Plugin => "plugin",
        Cause::Operator => "operator",
        Cause::Disconnected => "disconnected",
        Cause::Heartbeat => "heartbeat",
        Cause::Protocol => "protocol",
        Cause::Limit => "limit",
        Cause::SlowConsumer => "slow-consumer",
        Cause::Expired => "expired",
        Cause::PluginFailed => "plugin-failed",
        Cause::Host => "host",
        Cause::Other(other) => return format!("other: {other}"),
    }
    .into()
}

/// Sends a message back as it came.
///
/// # Errors
///
/// When the host does not take it.
pub fn echo(connection: Connection, message: Message) -> Result<(), Close> {
    Ok(connection.send(message)?)
}

/// Never comes back.
pub fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Ends the instance with a trap, without a word on stderr.
pub fn trap() -> ! {
    std::process::abort()
}

/// Exports a watched behavior: `export_guest!(MyType)`, with optional exports behind it.
#[macro_export]
macro_rules! export_guest {
    ($guest:ty $(, $hook:ident)*) => {
        ::socklet_sdk::export_behavior!($crate::Observed<$guest> $(, $hook)*);
    };
}
