//! Listeners, by name: what they are, and how operators stop and start them.

use super::{Control, ListenerError};
use crate::{certificates::Shows, live::Live};
use socklet_core::ListenerName;
use socklet_server::ListenerConfig;
use std::sync::Arc;

/// A listener, as operators see it.
#[derive(Debug)]
pub(crate) struct ListenerStatus {
    pub(crate) name: String,
    /// Where it listens, with the port that the system chose; where it would listen while it is stopped.
    pub(crate) bind: String,
    pub(crate) tls: bool,
    pub(crate) state: ListenerState,
    /// Open connections that came in through it.
    pub(crate) connections: usize,
}

/// Whether a listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerState {
    Serving,
    Stopped,
}

/// What came of stopping or starting one.
#[derive(Debug)]
pub(crate) struct ListenerChange {
    /// False: it was so already.
    pub(crate) changed: bool,
    /// How many connections are closed for it.
    pub(crate) closes: usize,
    pub(crate) listener: ListenerStatus,
}

// === impl Control ===

impl Control {
    /// Every listener, by name.
    pub(crate) fn listeners(&self) -> Vec<ListenerStatus> {
        self.live().listeners.values().map(|listener| self.listener_status(listener)).collect()
    }

    /// One listener.
    pub(crate) fn listener(&self, name: &str) -> Result<ListenerStatus, ListenerError> {
        self.live().listener(name).map(|listener| self.listener_status(listener))
    }

    /// Stops a listener: its address is free at once, its connections are closed by and by. It stays stopped, whatever the configuration
    /// says of it, until it is started or the server is.
    pub(crate) async fn stop_listener(&self, name: &str) -> Result<ListenerChange, ListenerError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let listener = live.listener(name)?;
        let Some(stopped) = self.0.site.server.stop(&listener.name) else {
            return Ok(ListenerChange { changed: false, closes: 0, listener: self.listener_status(listener) });
        };
        let mut next = Live::clone(&live);
        next.stopped.insert(listener.name.clone());
        self.0.live.store(Arc::new(next));
        let closes = stopped.leaving.len();
        // Who goes away meanwhile has stopped it all the same.
        let (server, pace) = (self.0.site.server.clone(), live.config.drain.clone());
        let released = tokio::spawn(async move { server.send_away(stopped.released().await, pace) });
        let _ = released.await;
        Ok(ListenerChange { changed: true, closes, listener: self.listener_status(listener) })
    }

    /// Starts a listener that was stopped.
    pub(crate) async fn start_listener(&self, name: &str) -> Result<ListenerChange, ListenerError> {
        let _changing = self.0.changing.lock().await;
        let live = self.live();
        let listener = live.listener(name)?;
        let changed = live.stopped.contains(&listener.name);
        if changed {
            let site = &self.0.site;
            // Its files may have changed since it was stopped.
            let by = Shows::Listener(listener.name.clone());
            let tls = site.certificates.current(&by).or_else(|| listener.tls.clone());
            let bound = site.server.bind(ListenerConfig { tls, ..listener.clone() }, &[]).await?;
            site.certificates.set(&by, bound.tls());
            site.server.serve(bound);
            let mut next = Live::clone(&live);
            next.stopped.remove(&listener.name);
            self.0.live.store(Arc::new(next));
        }
        Ok(ListenerChange { changed, closes: 0, listener: self.listener_status(listener) })
    }

    fn listener_status(&self, listener: &ListenerConfig) -> ListenerStatus {
        let serving = self.0.site.server.listeners().into_iter().find(|status| status.name == listener.name);
        let (bind, connections) = match &serving {
            Some(status) => (status.local.to_string(), status.connections),
            None => (listener.bind.to_string(), 0),
        };
        let state = if serving.is_some() { ListenerState::Serving } else { ListenerState::Stopped };
        ListenerStatus { name: listener.name.to_string(), bind, tls: listener.tls.is_some(), state, connections }
    }
}

// === impl Live ===

impl Live {
    fn listener(&self, name: &str) -> Result<&ListenerConfig, ListenerError> {
        let found = name.parse::<ListenerName>().ok().and_then(|name| self.listeners.get(&name));
        found.ok_or_else(|| ListenerError::Unknown(name.to_owned()))
    }
}
