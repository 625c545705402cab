//! The connections of a route and where each is served, so that all can be told of a new version.

use crate::{cell::Cell, serving::Serving, version::Version};
use socklet_core::ConnectionId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tracing::info;

/// Cells that are told in one go.
const AT_ONCE: usize = 256;
/// Connections that are closed in one go, where the old version cannot hand them over and was told not to keep them.
const CLOSED_AT_ONCE: usize = 100;
/// The pause after that.
const PAUSE: Duration = Duration::from_millis(100);

/// The sessions of a route.
#[derive(Default)]
pub(crate) struct Roster(Mutex<HashMap<ConnectionId, Weak<Cell>>>);

// === impl Roster ===

impl Roster {
    pub(crate) fn enter(&self, connection: ConnectionId, cell: &Arc<Cell>) {
        self.sessions().insert(connection, Arc::downgrade(cell));
    }

    pub(crate) fn leave(&self, connection: ConnectionId) {
        let mut sessions = self.sessions();
        sessions.remove(&connection);
        if sessions.capacity() > 1024 && sessions.len() < sessions.capacity() / 4 {
            sessions.shrink_to_fit();
        }
    }

    pub(crate) fn find(&self, connection: ConnectionId) -> Option<Arc<Cell>> {
        self.sessions().get(&connection)?.upgrade()
    }

    /// The oldest first.
    fn all(&self) -> Vec<(ConnectionId, Weak<Cell>)> {
        let mut all: Vec<_> = self.sessions().iter().map(|(connection, cell)| (*connection, cell.clone())).collect();
        all.sort_unstable_by_key(|(connection, _)| *connection);
        all
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ConnectionId, Weak<Cell>>> {
        self.0.lock().expect("a look-up does not panic")
    }
}

/// Has all connections go on with the current version; those that cannot stay where they are, or are closed.
pub(crate) async fn move_all(serving: Arc<Serving>, current: Arc<Version>, before: Arc<Version>) {
    let mut left = Vec::new();
    let is_over = || serving.current_number() != current.number();
    for (index, (connection, cell)) in serving.roster().all().into_iter().enumerate() {
        if is_over() {
            return; // whoever came after it tells them all
        }
        if cell.upgrade().is_some_and(|cell| !cell.make_way(&current, Some(&before))) {
            left.push(connection);
        }
        if index % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    if left.is_empty() {
        return;
    }
    let scope = current.scope();
    let (tenant, route, plugin, connections) = (&scope.tenant, &scope.route, &scope.plugin, left.len());
    if current.loaded().keeps_old() {
        info!(%tenant, %route, %plugin, connections, "the old version serves its connections to their end");
        return;
    }
    info!(%tenant, %route, %plugin, connections, "connections of the old version are closed");
    for connections in left.chunks(CLOSED_AT_ONCE) {
        if is_over() {
            return;
        }
        for connection in connections {
            // Who is gone meanwhile need not be closed.
            let _ = serving.connections().replace(*connection);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
