//! The words that every Socklet crate shares: ids, messages, close reasons, principals, refusals, and the traits at the seams.
//!
//! Nothing in here does I/O. `server` turns sockets into calls of [`Authenticator`], [`Behavior`] and [`Session`]; `plugin`
//! answers them with components, and reaches connections through [`Connections`]. Neither knows the other.

mod authenticator;
mod behavior;
mod close;
mod connections;
mod failure;
mod heartbeat;
mod ids;
mod instance;
mod message;
mod names;
mod news;
mod principal;
mod rate;
mod refusal;
mod request;
mod room;
pub mod suggest;
mod tally;
mod tenant;
mod throttle;
mod trace;
pub mod units;

pub use authenticator::{Authenticator, Verdict};
pub use behavior::{Acceptance, Answer, Behavior, Call, Event, Session, Upgraded};
pub use close::{Cause, CloseCode, CloseFrame, CloseReason, Ending, InvalidCloseFrame};
pub use connections::{Connections, SendError, SubscribeError};
pub use failure::{CallError, DeathKind, EventId, Lifeline};
pub use heartbeat::{Heartbeat, InvalidHeartbeat};
pub use ids::ConnectionId;
pub use instance::{InstanceState, InstanceStatus};
pub use message::{Frame, Message, MessageRef, Opcode};
pub use names::{InvalidName, ListenerName, PluginId, PluginName, RouteName, StoreName, TenantName};
pub use news::{Herald, News, VersionChange};
pub use principal::{InvalidPrincipal, Principal};
pub use rate::{InvalidRate, Rate};
pub use refusal::Refusal;
pub use request::{Field, Response, UpgradeRequest};
pub use room::{Permit, Room};
pub use tally::{Taken, Tally};
pub use tenant::{Quotas, Tenant};
pub use throttle::Throttle;
pub use trace::{
    Beginning, OpenSpan, Span, SpanContext, SpanId, SpanKind, SpanValue, Trace, TraceId, TraceParent, Tracer,
};

/// A future that owns everything it needs.
pub type BoxFuture<T> = futures_util::future::BoxFuture<'static, T>;
