//! What operators see of connections and routes, and do with them, while the server runs.

use crate::{Route, RouteConfig, RouteConnections, Server, registry::Peer};
use socklet_core::{
    CloseFrame, CloseReason, ConnectionId, Connections, InstanceStatus, ListenerName, MessageRef, PluginId, Principal,
    RouteName, SendError, Tenant, TenantName,
};
use std::{
    collections::BinaryHeap,
    net::SocketAddr,
    sync::{Arc, PoisonError, Weak},
    time::SystemTime,
};

/// Which connections an operator wants to see. What is none fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Those of this tenant's routes.
    pub tenant: Option<TenantName>,
    /// Those of routes of this name.
    pub route: Option<RouteName>,
    /// Those that came in through this listener.
    pub listener: Option<ListenerName>,
    /// Those that belong to this principal, by its subject.
    pub principal: Option<String>,
}

/// One connection at one moment.
#[derive(Clone, Debug)]
pub struct ConnectionView {
    /// Its id.
    pub id: ConnectionId,
    /// Who its route belongs to.
    pub tenant: TenantName,
    /// Its route.
    pub route: RouteName,
    /// The listener that accepted it.
    pub listener: ListenerName,
    /// The client; none on a UNIX socket.
    pub peer: Option<SocketAddr>,
    /// Who it belongs to; none where nobody was asked.
    pub principal: Option<Arc<Principal>>,
    /// What it speaks; none when it is being opened or nothing was agreed on.
    pub subprotocol: Option<String>,
    /// When it was let in.
    pub since: SystemTime,
    /// How far it is.
    pub state: ConnectionState,
    /// What went over it.
    pub traffic: Traffic,
    /// Bytes queued and not yet written.
    pub queued_bytes: u64,
    /// The instance that serves it; none when it has none at this moment.
    pub instance: Option<InstanceStatus>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// `on-open` was not called yet.
    Opening,
    /// It can be sent to.
    Open,
    /// It is being closed, or its socket is gone.
    Closing,
}

/// What went over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Complete messages that arrived.
    pub messages_received: u64,
    /// Bytes of their payloads.
    pub bytes_received: u64,
    /// Messages that were queued for the client.
    pub messages_sent: u64,
    /// Bytes that were written, frame headers and the host's own frames included.
    pub bytes_sent: u64,
}

/// A route that is served. Clones are the same route.
#[derive(Clone, Debug)]
pub struct RouteView(Arc<Route>);

// === impl Server ===

impl Server {
    /// The routes, in the order of configuration.
    pub fn routes(&self) -> Vec<RouteView> {
        self.inner.routes.load().all.iter().cloned().map(RouteView).collect()
    }

    /// One route.
    pub fn route(&self, tenant: &str, route: &str) -> Option<RouteView> {
        let is_it =
            |found: &&Arc<Route>| found.tenant().name().as_str() == tenant && found.config.name.as_str() == route;
        self.inner.routes.load().all.iter().find(is_it).cloned().map(RouteView)
    }

    /// Connections by id, those after `after`, so many at most: the first page, or the next one.
    pub fn connections_by_id(
        &self,
        filter: &ConnectionFilter,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Vec<ConnectionView> {
        // The smallest ids of all routes, the largest of them on top: however many connections there are, few are kept.
        let mut page = BinaryHeap::with_capacity(limit + 1);
        let places: Vec<_> = self.places().into_iter().filter(|place| filter.fits_route(&place.connections)).collect();
        for (index, place) in places.iter().enumerate() {
            place.connections.each(|peer| {
                let id = peer.id();
                let wanted = after.is_none_or(|after| id > after) && filter.fits(peer);
                let full = page.len() == limit && page.peek().is_none_or(|(last, _)| id > *last);
                if wanted && !full {
                    page.push((id, index));
                    if page.len() > limit {
                        page.pop();
                    }
                }
            });
        }
        let view_of = |(id, index): (ConnectionId, usize)| {
            let peer = places[index].connections.find(id)?;
            Some(places[index].view(&peer))
        };
        page.into_sorted_vec().into_iter().filter_map(view_of).collect()
    }

    /// One connection.
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView> {
        self.find(id).map(|(place, peer)| place.view(&peer))
    }

    /// Queues a message for a connection.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was queued then.
    pub fn send(&self, to: ConnectionId, message: MessageRef<'_>) -> Result<(), SendError> {
        let (place, _) = self.find(to).ok_or(SendError::Unknown)?;
        place.connections.send(to, message)
    }

    /// Closes a connection, also one that is being opened. False: it was being closed already. None: there is none.
    pub fn close(&self, connection: ConnectionId, frame: CloseFrame) -> Option<bool> {
        self.find(connection).map(|(_, peer)| peer.close(CloseReason::Operator(frame)))
    }

    fn find(&self, id: ConnectionId) -> Option<(Place, Arc<Peer>)> {
        self.places().into_iter().find_map(|place| {
            let peer = place.connections.find(id)?;
            Some((place, peer))
        })
    }

    /// Routes that are served, then those that are not any more and may still have connections.
    fn places(&self) -> Vec<Place> {
        let served = |route: &Arc<Route>| Place { connections: route.connections.clone(), route: Some(route.clone()) };
        let mut places: Vec<_> = self.inner.routes.load().all.iter().map(served).collect();
        let retired = self.inner.retired.lock().unwrap_or_else(PoisonError::into_inner);
        places.extend(retired.iter().filter_map(Weak::upgrade).map(|connections| Place { connections, route: None }));
        places
    }
}

/// Where connections are.
struct Place {
    connections: Arc<RouteConnections>,
    /// None where it is not served any more.
    route: Option<Arc<Route>>,
}

// === impl Place ===

impl Place {
    fn view(&self, peer: &Peer) -> ConnectionView {
        let (state, traffic) = peer.look_at();
        let about = peer.about();
        let behavior = self.route.as_ref().and_then(|route| route.behavior.as_ref());
        ConnectionView {
            id: peer.id(),
            tenant: self.connections.tenant().name().clone(),
            route: self.connections.name().clone(),
            listener: about.gate.name().clone(),
            peer: about.client,
            principal: peer.principal().cloned(),
            subprotocol: about.subprotocol.get().map(|subprotocol| subprotocol.to_string()),
            since: about.since,
            state,
            traffic,
            queued_bytes: peer.queued() as u64,
            instance: behavior.and_then(|behavior| behavior.instance_of(peer.id())),
        }
    }
}

// === impl ConnectionFilter ===

impl ConnectionFilter {
    fn fits_route(&self, connections: &RouteConnections) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| tenant == connections.tenant().name())
            && self.route.as_ref().is_none_or(|name| name == connections.name())
    }

    fn fits(&self, peer: &Peer) -> bool {
        let subject = || peer.principal().map(|principal| principal.subject());
        self.listener.as_ref().is_none_or(|listener| listener == peer.about().gate.name())
            && self.principal.as_ref().is_none_or(|wanted| subject() == Some(wanted.as_str()))
    }
}

// === impl ConnectionState ===

impl ConnectionState {
    /// Its name for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closing => "closing",
        }
    }
}

// === impl RouteView ===

impl RouteView {
    /// Who it belongs to.
    pub fn tenant(&self) -> &Arc<Tenant> {
        self.0.tenant()
    }

    /// What it is, as it is configured.
    pub fn config(&self) -> &RouteConfig {
        &self.0.config
    }

    /// Its connections.
    pub fn connections(&self) -> &Arc<RouteConnections> {
        &self.0.connections
    }

    /// The plugin that serves its connections; none where it serves only files.
    pub fn behavior(&self) -> Option<&PluginId> {
        self.0.behavior.as_ref()?.plugin()
    }

    /// The plugins that judge its requests, in order.
    pub fn authenticators(&self) -> impl Iterator<Item = &PluginId> {
        self.0.authenticators.iter().filter_map(|authenticator| authenticator.plugin())
    }
}
