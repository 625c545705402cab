//! The seam at which connections are served.

use crate::{
    BoxFuture, CallError, CloseFrame, ConnectionId, Ending, Field, Frame, InstanceStatus, Lifeline, Message, PluginId,
    Principal, Response, UpgradeRequest,
};
use std::{
    fmt::{self, Debug},
    sync::Arc,
};

/// What the connections of one route do.
pub trait Behavior: Debug + Send + Sync {
    /// The last word before the 101 (`on-upgrade`). Bounded in time by the implementation; may be dropped at any point.
    ///
    /// # Errors
    ///
    /// When the plugin died or could not be asked: the request is then refused.
    fn upgrade(
        &self,
        request: Arc<UpgradeRequest>,
        principal: Option<Arc<Principal>>,
    ) -> BoxFuture<Result<Upgraded, CallError>>;

    /// The plugin that it is, for operators.
    fn plugin(&self) -> Option<&PluginId> {
        None
    }

    /// The instance that serves a connection, for operators.
    fn instance_of(&self, _connection: ConnectionId) -> Option<InstanceStatus> {
        None
    }
}

/// The answer to an upgrade request.
#[derive(Debug)]
pub enum Upgraded {
    /// Accept; the session serves the connection. Dropping it unopened gives it up.
    Accepted(Acceptance, Box<dyn Session>),
    /// Answer this instead.
    Answered(Response),
}

/// What the 101 carries beside its fixed fields, as a plugin gave it: not checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// One of the subprotocols that the client offered.
    pub subprotocol: Option<String>,
    /// Extra header fields.
    pub headers: Vec<Field>,
}

/// Serves one connection. Owned by the connection's task, which makes one call at a time.
///
/// The caller's side of the contract: [`Event::Open`] once, first; [`Event::Close`] exactly once if there was an open, last,
/// also after a call failed. The implementation's side: a close after the instance died is answered by a fresh instance.
pub trait Session: Debug + Send {
    /// Starts a call. It may be done at once. No other call may be started before it is done.
    fn call(&mut self, event: Event) -> Call;

    /// Whether the guest wants every frame ([`Event::Frame`]) before it is handled. Asked once, before the first call.
    fn sees_frames(&self) -> bool {
        false
    }

    /// Tells when the instance behind this session died, in whosever call.
    fn lifeline(&self) -> &Lifeline;
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is registered and can be sent to (`on-open`).
    Open,
    /// A frame arrived that keeps the protocol (`on-frame`). Only for sessions that see frames.
    Frame(Frame),
    /// A complete message arrived (`on-message`).
    Message(Message),
    /// It has ended (`on-close`); the answer is ignored.
    Close(Ending),
}

/// The guest's own answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on. For a frame: handle it as usual.
    Proceed,
    /// The guest has dealt with the frame: nothing more happens with it. Only for [`Event::Frame`].
    Skip,
    /// Close the connection with this frame.
    Close(CloseFrame),
}

/// A call that was started.
pub enum Call {
    /// Done without waiting.
    Done(Result<Answer, CallError>),
    /// Going on elsewhere. Dropping the future gives the instance up.
    Pending(BoxFuture<Result<Answer, CallError>>),
}

impl Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(outcome) => f.debug_tuple("Done").field(outcome).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}
