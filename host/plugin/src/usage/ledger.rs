//! Everything that plugins have used: a row for each tenant, route and version.

use super::Usage;
use socklet_core::{PluginId, RouteName, TenantName};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// The rows of a host.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
    /// Somebody takes the rows, and those that are final wait for that.
    billed: AtomicBool,
}

#[derive(Debug, Default)]
struct Books {
    entries: BTreeMap<Key, Entry>,
    /// The last version of each plugin that there was.
    versions: HashMap<PluginId, u32>,
}

/// With so many rows those that are final are forgotten where nobody takes them; and again when there are twice as many.
const MANY: usize = 1024;

/// What one version of a plugin has used on one route, since it was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRow {
    /// Who it belongs to.
    pub tenant: TenantName,
    /// The route.
    pub route: RouteName,
    /// The plugin.
    pub plugin: PluginId,
    /// Counts the versions of the plugin, from 1.
    pub version: u32,
    /// `sha256:` and 64 hex digits of the component.
    pub digest: String,
    /// CPU time of its calls in seconds, that of host functions included.
    pub cpu_seconds: f64,
    /// Calls into the plugin.
    pub calls: u64,
    /// Calls that killed their instance.
    pub traps: u64,
    /// Calls of the plugin to the host.
    pub host_calls: u64,
    /// Messages that it was given.
    pub messages_received: u64,
    /// Bytes of their payload.
    pub bytes_received: u64,
    /// Messages that it sent, counted for each receiver.
    pub messages_sent: u64,
    /// Bytes of their payload, as often as they were sent.
    pub bytes_sent: u64,
    /// Connections that it accepted and that are open.
    pub connections: u64,
    /// How long all connections that it accepted were open, in seconds.
    pub connection_seconds: f64,
    /// Bytes of guest memory now.
    pub memory_bytes: u64,
    /// The most bytes of guest memory since [`crate::Plugins::usage_was_taken`].
    pub memory_peak_bytes: u64,
    /// Bytes of guest memory times seconds.
    pub memory_byte_seconds: f64,
    /// Nothing can be added any more: the version is gone.
    pub is_final: bool,
}

/// Tenant, route, plugin and version.
type Key = (TenantName, RouteName, PluginId, u32);

#[derive(Debug)]
struct Entry {
    digest: String,
    usage: Arc<Usage>,
}

// === impl Ledger ===

impl Ledger {
    /// The row of a version on a route.
    pub(crate) fn open(
        &self,
        tenant: &TenantName,
        route: &RouteName,
        plugin: &PluginId,
        (version, digest): (u32, &str),
    ) -> Arc<Usage> {
        let mut books = self.books();
        if !self.billed.load(Relaxed) {
            books.thin_out();
        }
        // A version that comes back goes on where it was.
        let entry = books
            .entries
            .entry((tenant.clone(), route.clone(), plugin.clone(), version))
            .or_insert_with(|| Entry { digest: digest.to_owned(), usage: Arc::default() });
        entry.usage.clone()
    }

    /// From now on somebody takes the rows.
    pub(crate) fn bill(&self) {
        self.billed.store(true, Relaxed);
    }

    /// The number of the next version of a plugin. One that was gone and is there again goes on counting as long as it has rows.
    pub(crate) fn next_version(&self, plugin: &PluginId) -> u32 {
        self.books().versions.get(plugin).copied().unwrap_or(0) + 1
    }

    /// There is a version of a plugin.
    pub(crate) fn has_version(&self, plugin: &PluginId, version: u32) {
        let mut books = self.books();
        books.forget_versions();
        books.versions.insert(plugin.clone(), version);
    }

    pub(crate) fn rows(&self) -> Vec<UsageRow> {
        self.books().entries.iter().map(|(key, entry)| entry.row(key)).collect()
    }

    /// Forgets rows that were final when they were taken, and the peaks of the others.
    pub(crate) fn taken(&self, rows: &[UsageRow]) {
        let Books { entries, .. } = &mut *self.books();
        for row in rows.iter().filter(|row| row.is_final) {
            let key = (row.tenant.clone(), row.route.clone(), row.plugin.clone(), row.version);
            // Unless the version has come back meanwhile.
            if entries.get(&key).is_some_and(Entry::is_final) {
                entries.remove(&key);
            }
        }
        for entry in entries.values() {
            entry.usage.memory.forget_peak();
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Books ===

impl Books {
    /// Forgets rows that nobody will ask for.
    fn thin_out(&mut self) {
        if self.entries.len() >= MANY && self.entries.len().is_power_of_two() {
            self.entries.retain(|_, entry| !entry.is_final());
        }
    }

    /// Forgets the versions of plugins without a row.
    fn forget_versions(&mut self) {
        if self.versions.len() >= MANY && self.versions.len().is_power_of_two() {
            let known: BTreeSet<_> = self.entries.keys().map(|(_, _, plugin, _)| plugin).collect();
            self.versions.retain(|plugin, _| known.contains(plugin));
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Nobody uses it any more.
    fn is_final(&self) -> bool {
        Arc::strong_count(&self.usage) == 1
    }

    fn row(&self, (tenant, route, plugin, version): &Key) -> UsageRow {
        // Before anything is read: what is final must be complete.
        let is_final = self.is_final();
        let (counts, memory, connections) =
            (self.usage.counts(), self.usage.memory.read(), self.usage.connections.read());
        UsageRow {
            tenant: tenant.clone(),
            route: route.clone(),
            plugin: plugin.clone(),
            version: *version,
            digest: self.digest.clone(),
            cpu_seconds: counts.cpu_nanos as f64 / 1e9,
            calls: counts.calls,
            traps: counts.deaths,
            host_calls: counts.host_calls,
            messages_received: counts.messages_received,
            bytes_received: counts.bytes_received,
            messages_sent: counts.messages_sent,
            bytes_sent: counts.bytes_sent,
            connections: connections.level,
            connection_seconds: connections.seconds,
            memory_bytes: memory.level,
            memory_peak_bytes: memory.peak,
            memory_byte_seconds: memory.seconds,
            is_final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_row_stays_until_it_was_taken_complete() {
        let ledger = Ledger::default();
        let (tenant, name, plugin) = ("acme".parse().unwrap(), "main".parse().unwrap(), "echo".parse().unwrap());
        let usage = ledger.open(&tenant, &name, &plugin, (1, "sha256:00"));
        assert!(Arc::ptr_eq(&usage, &ledger.open(&tenant, &name, &plugin, (1, "sha256:00"))));
        usage.called(Duration::from_secs(2), true);
        let early = ledger.rows();
        assert_eq!((early[0].cpu_seconds, early[0].calls, early[0].traps), (2.0, 1, 1));
        drop(usage);
        ledger.taken(&early);
        let last = ledger.rows();
        assert!(last[0].is_final, "it had not been when it was taken");
        ledger.taken(&last);
        assert!(ledger.rows().is_empty());
    }

    #[test]
    fn rows_that_nobody_takes_are_not_kept_forever() {
        let (tenant, plugin) = ("acme".parse().unwrap(), "acme/echo".parse().unwrap());
        let fill = |ledger: &Ledger| {
            for number in 0..3 * MANY {
                ledger.open(&tenant, &format!("r{number}").parse().unwrap(), &plugin, (1, "sha256:00"));
            }
            ledger.rows().len()
        };
        let ledger = Ledger::default();
        assert!(fill(&ledger) <= 2 * MANY);
        let billed = Ledger::default();
        billed.bill();
        assert_eq!(fill(&billed), 3 * MANY);
    }

    #[test]
    fn a_plugin_that_comes_back_goes_on_counting() {
        let ledger = Ledger::default();
        let plugin = "echo".parse().unwrap();
        assert_eq!(ledger.next_version(&plugin), 1);
        ledger.has_version(&plugin, 1);
        assert_eq!((ledger.next_version(&plugin), ledger.next_version(&"acme/echo".parse().unwrap())), (2, 1));
    }
}
