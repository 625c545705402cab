//! What happens, as it is told to operators who read along: bounded for each of them, and never waited for.

use serde_json::{Map, Value as Json, json};
use socklet_core::{Herald, News, PluginId, Rate, TenantName, Throttle, VersionChange};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
};

/// Events that are kept for a reader who is behind. One who is further behind is told how many it has missed.
const KEPT: usize = 1024;
/// Events of one kind that are told in a second; more are only counted.
const PER_SECOND: u32 = 100;

/// Tells what happens. Clones tell the same readers.
#[derive(Clone, Debug)]
pub(crate) struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    readers: broadcast::Sender<Arc<Event>>,
    /// How many read along: looked at for everything that happens, and without a lock.
    listening: AtomicUsize,
    last: AtomicU64,
    kinds: [Pace; Kind::ALL.len()],
    versions: Versions,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Event {
    /// Counts the events of this process that somebody was told of, from 1.
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) kind: Kind,
    /// Whom it concerns; none: the node.
    pub(crate) tenant: Option<TenantName>,
    /// The plugin that it is about; such an event concerns whoever has that plugin.
    pub(crate) plugin: Option<PluginId>,
    /// What else there is to say.
    pub(crate) data: Map<String, Json>,
}

/// Somebody who reads along.
#[derive(Debug)]
pub(crate) struct Reading {
    receiver: broadcast::Receiver<Arc<Event>>,
    inner: Arc<Inner>,
}

macro_rules! kinds {
    ($($kind:ident: $name:literal,)*) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = $name] $kind,)*
        }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name in the API.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    ConnectionOpened: "connection.opened",
    ConnectionClosed: "connection.closed",
    PluginSwapped: "plugin.swapped",
    PluginRolledBack: "plugin.rolled-back",
    PluginFailedTrial: "plugin.failed-trial",
    PluginTrapped: "plugin.trapped",
    LimitHit: "limit.hit",
    ConfigReloaded: "config.reloaded",
    ConfigRefused: "config.refused",
    DrainStarted: "drain.started",
    DrainProgress: "drain.progress",
    DrainEnded: "drain.ended",
}

/// How many events of a kind are told.
#[derive(Debug)]
struct Pace {
    throttle: Throttle,
    /// Those that were only counted, since the last one that was told.
    skipped: AtomicU64,
}

/// The plugins that have gone back to an earlier version, and nobody has looked at yet.
#[derive(Debug, Default)]
struct Versions {
    changed: Mutex<BTreeSet<PluginId>>,
    some: Notify,
}

// === impl Events ===

impl Default for Events {
    fn default() -> Self {
        let kinds = std::array::from_fn(|_| Pace {
            throttle: Throttle::new(Rate::per_second(PER_SECOND)),
            skipped: AtomicU64::new(0),
        });
        let inner = Inner {
            readers: broadcast::Sender::new(KEPT),
            listening: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            kinds,
            versions: Versions::default(),
        };
        Self(Arc::new(inner))
    }
}

impl Events {
    /// Reads along from now on.
    pub(crate) fn read(&self) -> Reading {
        let receiver = self.0.readers.subscribe();
        self.0.listening.fetch_add(1, Relaxed);
        Reading { receiver, inner: self.0.clone() }
    }

    /// Tells of something that concerns a tenant; none: the node.
    pub(crate) fn tell_of(&self, kind: Kind, tenant: Option<&TenantName>, data: Json) {
        self.publish(kind, tenant, None, || object(data));
    }

    /// Waits until a plugin has gone back to an earlier version, by hand or since the newer one has failed. One caller at a time.
    pub(crate) async fn went_back(&self) -> PluginId {
        loop {
            // Made first: a change after the look is not missed.
            let some = self.0.versions.some.notified();
            if let Some(plugin) = self.0.versions.lock().pop_first() {
                return plugin;
            }
            some.await;
        }
    }

    fn publish(
        &self,
        kind: Kind,
        tenant: Option<&TenantName>,
        plugin: Option<&PluginId>,
        data: impl FnOnce() -> Map<String, Json>,
    ) {
        let Inner { readers, listening, last, kinds, .. } = &*self.0;
        // Most of the time nobody reads, and this is all.
        if listening.load(Relaxed) == 0 {
            return;
        }
        let pace = &kinds[kind as usize];
        if pace.throttle.take(1, Instant::now(), Duration::ZERO).is_none() {
            pace.skipped.fetch_add(1, Relaxed);
            return;
        }
        let mut data = data();
        let skipped = pace.skipped.swap(0, Relaxed);
        if skipped > 0 {
            data.insert("skipped".to_owned(), skipped.into());
        }
        let number = last.fetch_add(1, Relaxed) + 1;
        let (tenant, plugin) = (tenant.cloned(), plugin.cloned());
        // The last reader may just have gone.
        let _ = readers.send(Arc::new(Event { number, at: SystemTime::now(), kind, tenant, plugin, data }));
    }
}

impl Herald for Events {
    fn tell(&self, news: News<'_>) {
        match news {
            News::Opened { connection, tenant, route, listener, peer } => {
                self.publish(Kind::ConnectionOpened, Some(tenant), None, || {
                    let peer = peer.map(|peer| peer.to_string());
                    object(json!({
                        "connection": connection.get(), "route": route.as_str(), "listener": listener.as_str(), "peer": peer,
                    }))
                });
            }
            News::Closed { connection, tenant, route, ending } => {
                self.publish(Kind::ConnectionClosed, Some(tenant), None, || {
                    object(json!({
                        "connection": connection.get(), "route": route.as_str(), "code": ending.frame.code().get(),
                        "cause": ending.cause.as_str(), "clean": ending.clean, "seconds": ending.duration.as_secs_f64(),
                        "messages_received": ending.messages_received, "messages_sent": ending.messages_sent,
                    }))
                });
            }
            News::LimitHit { limit, tenant, route } => self.publish(Kind::LimitHit, tenant, None, || {
                object(json!({ "limit": limit, "route": route.map(|route| route.as_str()) }))
            }),
            News::Died { tenant, route, plugin, hook, kind, event } => {
                self.publish(Kind::PluginTrapped, Some(tenant), Some(plugin), || {
                    object(json!({
                        "route": route.as_str(), "hook": hook, "reason": kind.as_str(), "event": event.to_string(),
                    }))
                });
            }
            News::VersionChanged { plugin, version, digest, how } => {
                let kind = match how {
                    VersionChange::Swapped => Kind::PluginSwapped,
                    VersionChange::RolledBack => Kind::PluginRolledBack,
                    VersionChange::FailedTrial => Kind::PluginFailedTrial,
                };
                if how != VersionChange::Swapped {
                    self.0.versions.lock().insert(plugin.clone());
                    self.0.versions.some.notify_one();
                }
                self.publish(kind, plugin.tenant.as_ref(), Some(plugin), || {
                    object(json!({ "version": version, "digest": digest }))
                });
            }
        }
    }
}

fn object(data: Json) -> Map<String, Json> {
    match data {
        Json::Object(data) => data,
        _ => Map::new(),
    }
}

// === impl Reading ===

impl Reading {
    /// The next event. Cancel-safe.
    ///
    /// # Errors
    ///
    /// How many were missed, when this reader was too far behind.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, RecvError> {
        self.receiver.recv().await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.inner.listening.fetch_sub(1, Relaxed);
    }
}

// === impl Versions ===

impl Versions {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<PluginId>> {
        // Held for a look into the set, never across an await.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast::error::TryRecvError;

    fn hit(events: &Events) {
        events.tell(News::LimitHit { limit: "max_connections", tenant: None, route: None });
    }

    #[tokio::test]
    async fn readers_are_told_what_happens_and_how_much_they_missed() {
        let events = Events::default();
        hit(&events);
        let mut reader = events.read();
        assert!(matches!(reader.receiver.try_recv(), Err(TryRecvError::Empty)), "nobody had listened");
        events.tell_of(Kind::ConfigReloaded, None, json!({ "plugins": 2 }));
        let event = reader.next().await.unwrap();
        assert_eq!((event.number, event.kind, &event.data["plugins"]), (1, Kind::ConfigReloaded, &json!(2)));
        for kind in Kind::ALL.iter().cycle().take(KEPT + 3) {
            events.tell_of(*kind, None, json!({}));
        }
        assert!(matches!(reader.next().await, Err(RecvError::Lagged(3))));
        assert_eq!(reader.next().await.unwrap().number, 5);
    }

    #[tokio::test]
    async fn many_of_a_kind_are_only_counted() {
        let events = Events::default();
        let mut reader = events.read();
        (0..PER_SECOND + 50).for_each(|_| hit(&events));
        let mut told = 0;
        while reader.receiver.try_recv().is_ok() {
            told += 1;
        }
        let skipped = events.0.kinds[Kind::LimitHit as usize].skipped.load(Relaxed);
        // How many the time has brought back meanwhile, nobody knows.
        assert!(told >= PER_SECOND, "{told}");
        assert_eq!(u64::from(told) + skipped, u64::from(PER_SECOND) + 50);
    }

    #[tokio::test]
    async fn no_plugin_that_goes_back_is_missed() {
        let events = Events::default();
        let tell = |plugin: &str, how| {
            events.tell(News::VersionChanged { plugin: &plugin.parse().unwrap(), version: 1, digest: "", how });
        };
        tell("b", VersionChange::RolledBack);
        tell("a", VersionChange::FailedTrial);
        tell("b", VersionChange::FailedTrial);
        tell("c", VersionChange::Swapped);
        assert_eq!([events.went_back().await.to_string(), events.went_back().await.to_string()], ["a", "b"]);
        let waiting = tokio::spawn({
            let events = events.clone();
            async move { events.went_back().await }
        });
        tokio::task::yield_now().await;
        tell("d", VersionChange::RolledBack);
        assert_eq!(waiting.await.unwrap().to_string(), "d");
    }
}
