//! Listeners as another configuration has them: bound, and not accepting yet.

use super::{
    Live, Site,
    report::{Change, Entry, Report},
};
use crate::config::{Keys, Mistake, Place};
use socklet_core::{CloseReason, ListenerName};
use socklet_server::{BindError, Edge, Listener, ListenerConfig, Tls};
use std::collections::BTreeMap;

/// What becomes of the listeners.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Bound, and to be served: new ones, and those with other settings.
    pub(super) bound: Vec<Listener>,
    /// Those that stay, and get what was in the files of their certificates.
    pub(super) certified: Vec<(ListenerName, Tls)>,
    /// To be stopped.
    pub(super) gone: Vec<ListenerName>,
    /// What could not be bound.
    pub(super) failed: Vec<(Place, BindError)>,
}

// === impl Listening ===

impl Listening {
    /// A mistake for each listener that could not be bound.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = Mistake> {
        self.failed.iter().map(|(place, error)| Mistake::new(place.clone(), None, error.to_string()))
    }
}

// === impl Site ===

impl Site {
    /// Binds what is new or other, unless an operator has stopped it.
    pub(super) async fn bind(
        &self,
        live: &Live,
        listeners: impl Iterator<Item = (&ListenerConfig, &Place)> + Clone,
        report: &mut Report,
    ) -> Listening {
        let mut listening = Listening::default();
        let wanted: BTreeMap<_, _> = listeners.clone().map(|(listener, _)| (&listener.name, listener)).collect();
        let connections: BTreeMap<_, _> =
            self.server.listeners().into_iter().map(|status| (status.name, status.connections)).collect();
        for name in live.listeners.keys().filter(|name| !wanted.contains_key(name)) {
            let closes = connections.get(name).copied().unwrap_or_default();
            report.listeners.push(Entry::removed(name, closes));
            report.closes(CloseReason::ListenerStopped.frame().code().get(), closes);
            listening.gone.push(name.clone());
        }
        let is_other = |listener: &&ListenerConfig| {
            live.listeners.get(&listener.name).is_some_and(|before| !before.goes_on_as(listener))
        };
        // Whatever goes, or listens elsewhere from now on, is not in the way.
        let others = wanted.values().copied().filter(is_other).map(|listener| listener.name.clone());
        let going: Vec<_> = listening.gone.iter().cloned().chain(others).collect();
        for (listener, place) in listeners {
            match live.listeners.get(&listener.name) {
                Some(before) => {
                    let keys = before.compare(listener);
                    if !keys.is_empty() {
                        report.listeners.push(Entry::changed(&listener.name, keys, 0));
                    }
                    if before.goes_on_as(listener) {
                        // What is in the files may be something else than before.
                        listening.certified.extend(listener.tls.clone().map(|tls| (listener.name.clone(), tls)));
                        continue;
                    }
                }
                None => report.listeners.push(Entry::added(&listener.name)),
            }
            if live.stopped.contains(&listener.name) {
                continue;
            }
            match self.server.bind(listener.clone(), &going).await {
                Ok(bound) => listening.bound.push(bound),
                Err(error) => listening.failed.push((place.clone(), error)),
            }
        }
        debug_assert!(report.listeners.iter().all(|entry| entry.change != Change::Changed || !entry.keys.is_empty()));
        listening
    }
}

/// Tells what becomes of a listener.
trait Compare {
    /// The keys that the new one has otherwise.
    fn compare(&self, new: &Self) -> Keys;

    /// Whether its socket goes on to listen: at most, its certificates are others.
    fn goes_on_as(&self, new: &Self) -> bool;
}

impl Compare for ListenerConfig {
    fn compare(&self, new: &Self) -> Keys {
        let Self { name: _, bind, tls, edge, reuse_port } = self;
        let Edge { proxy_protocol, trusted, real_ip, http2 } = edge;
        let keys = [
            ("bind", *bind == new.bind),
            ("tls", *tls == new.tls),
            ("proxy_protocol", *proxy_protocol == new.edge.proxy_protocol),
            ("trusted_proxies", *trusted == new.edge.trusted),
            ("real_ip_header", *real_ip == new.edge.real_ip),
            ("http2", *http2 == new.edge.http2),
            ("reuse_port", *reuse_port == new.reuse_port),
        ];
        keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }

    fn goes_on_as(&self, new: &Self) -> bool {
        let is_other = self.bind != new.bind || self.edge != new.edge || self.reuse_port != new.reuse_port;
        !is_other && self.tls.is_some() == new.tls.is_some()
    }
}
