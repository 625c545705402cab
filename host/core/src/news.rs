//! What operators may want to hear of while it happens, and who tells them.

use crate::{ConnectionId, DeathKind, Ending, EventId, ListenerName, PluginId, RouteName, TenantName};
use std::{fmt::Debug, net::SocketAddr};

/// Something that has just happened. Everything in it is borrowed: most of the time nobody listens.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A connection was opened: its 101 is written.
    Opened {
        /// Which.
        connection: ConnectionId,
        /// Who its route belongs to.
        tenant: &'a TenantName,
        /// Its route.
        route: &'a RouteName,
        /// The listener that accepted it.
        listener: &'a ListenerName,
        /// The client; none on a UNIX socket.
        peer: Option<SocketAddr>,
    },
    /// A connection has ended.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Who its route belongs to.
        tenant: &'a TenantName,
        /// Its route.
        route: &'a RouteName,
        /// How.
        ending: &'a Ending,
    },
    /// A limit or a quota was reached.
    LimitHit {
        /// Its name, as in the metrics.
        limit: &'static str,
        /// Whose it is; none where it is the node's and no route is known yet.
        tenant: Option<&'a TenantName>,
        /// The route that it concerns.
        route: Option<&'a RouteName>,
    },
    /// An instance died in a call.
    Died {
        /// Who its route belongs to.
        tenant: &'a TenantName,
        /// Its route.
        route: &'a RouteName,
        /// Its plugin.
        plugin: &'a PluginId,
        /// The call.
        hook: &'static str,
        /// What killed it.
        kind: DeathKind,
        /// Where the log tells more.
        event: EventId,
    },
    /// Another version of a plugin is current.
    VersionChanged {
        /// The plugin.
        plugin: &'a PluginId,
        /// Counts its versions since the host was started, from 1.
        version: u32,
        /// `sha256:` and 64 hex digits.
        digest: &'a str,
        /// Why.
        how: VersionChange,
    },
}

/// Why another version of a plugin is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionChange {
    /// It was swapped in.
    Swapped,
    /// An operator went back to it.
    RolledBack,
    /// The one that took its place has failed its trial.
    FailedTrial,
}

/// Tells operators. Called in the middle of things, some locks held: it neither waits, nor calls back.
pub trait Herald: Debug + Send + Sync {
    /// Tells of something.
    fn tell(&self, news: News<'_>);
}
