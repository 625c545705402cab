//! The seam at which requests are judged.

use crate::{BoxFuture, CallError, PluginId, Principal, Response, UpgradeRequest};
use std::{fmt::Debug, sync::Arc};

/// Decides, before the 101, who is asking.
pub trait Authenticator: Debug + Send + Sync {
    /// Judges one request. Bounded in time by the implementation; may be dropped at any point.
    ///
    /// # Errors
    ///
    /// When the plugin died or could not be asked: the request is then refused.
    fn authenticate(&self, request: Arc<UpgradeRequest>) -> BoxFuture<Result<Verdict, CallError>>;

    /// The plugin that it is, for operators.
    fn plugin(&self) -> Option<&PluginId> {
        None
    }
}

/// What an authenticator says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let the connection in as this principal.
    Grant(Principal),
    /// No opinion: ask the next.
    Abstain,
    /// Refuse with this response.
    Deny(Response),
}
