//! What is done to an instance because somebody asks for it, and not because it is called, idle or outdated.

use crate::{
    guests::{Lost, Started},
    metrics::Hook,
    rest::{NoSleep, Rest},
    serving::Serving,
};
use socklet_core::ConnectionId;
use std::{collections::BTreeMap, time::Duration};

// === impl Serving ===

impl Serving {
    /// See [`crate::RouteBehavior::hibernate`].
    pub(crate) async fn hibernate(&self, connection: ConnectionId) -> Result<(), NoSleep> {
        let cell = self.roster().find(connection).ok_or(NoSleep::Unknown)?;
        let turn = cell.turn_as_it_is(Hook::Save).await.map_err(|_| NoSleep::Dead)?;
        if !turn.version().may_sleep() {
            return Err(NoSleep::Awake("its plugin neither exports state nor is stateless".into()));
        }
        let outcome = match turn.sleep() {
            Started::Done(outcome) => outcome,
            Started::Moved(moved) => moved.await.unwrap_or_else(|Lost| Err(cell.lost())),
        };
        match outcome {
            Ok(Rest::Asleep(_)) => Ok(()),
            Ok(Rest::Awake { why, .. }) => Err(NoSleep::Awake(why.to_string())),
            Err(_) => Err(NoSleep::Dead),
        }
    }

    /// See [`crate::RouteBehavior::kill`].
    pub(crate) async fn kill(&self, connection: ConnectionId) -> bool {
        let Some(cell) = self.roster().find(connection) else { return false };
        let turn = cell.turn_as_it_is(Hook::Message).await;
        turn.map(|turn| turn.kill()).is_ok()
    }

    /// See [`crate::RouteBehavior::timers_of`].
    pub(crate) fn timers_of(&self, connection: ConnectionId) -> BTreeMap<String, Duration> {
        let now = self.guests().now();
        self.roster().find(connection).map(|cell| cell.due_timers(now)).unwrap_or_default()
    }
}
