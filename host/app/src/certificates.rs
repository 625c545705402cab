//! The certificates of listeners and of the admin API while the server runs: read again when their files change, told of before they expire, measured.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use socklet_core::ListenerName;
use socklet_server::{Stamps, Tls, TlsAcceptor, TlsCertificate};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

/// How often the files are looked at. What is found changed is read with the next look, if it is still the same then: a certificate and
/// its key are two files, and whoever replaces them needs a moment.
const LOOK: Duration = Duration::from_secs(5);

/// How often the end of a certificate is told of.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// The certificates of everything that has TLS. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    shown: Arc<Mutex<BTreeMap<Shows, TlsAcceptor>>>,
    reloads: Family<Reload, Counter>,
}

/// Who shows certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shows {
    /// The admin API.
    Admin,
    /// A listener.
    Listener(ListenerName),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

/// What was seen of the files of listeners.
#[derive(Debug, Default)]
struct Watch {
    shown: BTreeMap<Shows, Seen>,
    /// When an end was told of: that of which listener's certificate, and when it comes.
    told: HashMap<(Shows, String, u64), Instant>,
}

/// What was seen of one listener's files.
#[derive(Debug, Default)]
struct Seen {
    /// They have changed, and were like this at the last look.
    changed: Option<Stamps>,
    /// Like this they are not taken.
    refused: Option<Stamps>,
}

// === impl Certificates ===

impl Certificates {
    /// Without a listener. Counts what happens among everything that is measured.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let certificates = Self::default();
        let help = "Times that the certificates of a listener were read again";
        registry.register("tls_reloads", help, certificates.reloads.clone());
        registry.register_collector(Box::new(certificates.clone()));
        certificates
    }

    /// From now on a listener makes its handshakes by this; without it, it is none of these.
    pub(crate) fn set(&self, by: &Shows, acceptor: Option<&TlsAcceptor>) {
        match acceptor {
            Some(acceptor) => {
                warn_of(by, &acceptor.current());
                self.lock().insert(by.clone(), acceptor.clone());
            }
            None => drop(self.lock().remove(by)),
        }
    }

    /// What a listener makes handshakes with.
    pub(crate) fn current(&self, by: &Shows) -> Option<Tls> {
        self.lock().get(by).map(TlsAcceptor::current)
    }

    /// Has a listener make handshakes with what was read just now.
    pub(crate) fn install(&self, by: &Shows, tls: Tls) {
        let Some(acceptor) = self.lock().get(by).cloned() else { return };
        warn_of(by, &tls);
        acceptor.install(tls);
        self.count("ok");
    }

    /// Counts files that were not taken.
    pub(crate) fn refused(&self) {
        self.count("failed");
    }

    /// Looks at the files again and again, until the handle is dropped.
    pub(crate) fn watch(self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut watch = Watch::default();
            loop {
                looks.tick().await;
                let certificates = self.clone();
                // Files may be far away, and to derive a key from a password takes its time.
                let looked = tokio::task::spawn_blocking(move || {
                    watch.look(&certificates);
                    watch
                });
                watch = looked.await.unwrap_or_else(|panic| {
                    error!(%panic, "panicked while looking at certificates");
                    Watch::default()
                });
            }
        }))
    }

    fn count(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Reload { outcome }).inc();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Shows, TlsAcceptor>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what is not as it should be.
fn warn_of(by: &Shows, tls: &Tls) {
    for warning in tls.warnings() {
        warn!(listener = %by, warning, "private key is not private");
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "When a certificate expires, or one that it was signed by";
        let name = "tls_certificate_not_after_timestamp";
        let mut encoder = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (by, acceptor) in &*self.lock() {
            // Several certificates can be for one name, by keys of different kinds.
            let mut first = BTreeMap::new();
            for certificate in acceptor.current().certificates() {
                let end = first.entry(certificate.name.clone()).or_insert(u64::MAX);
                *end = certificate.not_after().min(*end);
            }
            for (name, end) in first {
                let labels = [("listener", by.as_str()), ("name", &name)];
                let end = i64::try_from(end).unwrap_or(i64::MAX);
                ConstGauge::new(end).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

// === impl Shows ===

impl Shows {
    /// As metrics and the log call it: the name of a listener, or `[admin]`, which is none.
    fn as_str(&self) -> &str {
        match self {
            Self::Admin => "[admin]",
            Self::Listener(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Shows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Watch ===

impl Watch {
    /// Looks once.
    fn look(&mut self, certificates: &Certificates) {
        let shown = certificates.lock().clone();
        self.shown.retain(|by, _| shown.contains_key(by));
        self.told.retain(|_, told| told.elapsed() < AGAIN);
        for (by, acceptor) in shown {
            let before = acceptor.current();
            let seen = self.shown.entry(by.clone()).or_default();
            if let Some(changed) = seen.settled(&before) {
                let taken = read(certificates, &by, &acceptor, &before);
                seen.refused = (!taken).then_some(changed);
            }
            for certificate in acceptor.current().certificates() {
                self.tell_of_its_end(&by, certificate);
            }
        }
    }

    fn tell_of_its_end(&mut self, by: &Shows, certificate: &TlsCertificate) {
        let now = SystemTime::now();
        if !certificate.is_about_to_expire(now) && certificate.problem(now).is_none() {
            return;
        }
        let key = (by.clone(), certificate.name.clone(), certificate.not_after());
        if self.told.contains_key(&key) {
            return;
        }
        self.told.insert(key, Instant::now());
        let (name, path) = (&certificate.name, certificate.path.display());
        match certificate.problem(now) {
            Some(problem) => error!(listener = %by, name, %path, problem, "certificate is not valid"),
            None => {
                let days = certificate.seconds_left(now) / (24 * 3600);
                warn!(listener = %by, name, %path, days, "certificate expires soon");
            }
        }
    }
}

/// Reads files that have changed. Whether they are taken.
fn read(certificates: &Certificates, by: &Shows, acceptor: &TlsAcceptor, before: &Tls) -> bool {
    let read = before.again().and_then(|tls| {
        let untimely = tls.untimely(SystemTime::now(), Some(before));
        if untimely.is_empty() { Ok(tls) } else { Err(untimely) }
    });
    match read {
        Ok(tls) => {
            warn_of(by, &tls);
            let names = tls.certificates().iter().map(|certificate| certificate.name.as_str());
            let names = names.collect::<Vec<_>>().join(" ");
            // Unless somebody has reloaded the configuration meanwhile.
            if acceptor.install_instead_of(before, tls) {
                certificates.count("ok");
                info!(listener = %by, names, "certificates reloaded");
            }
            true
        }
        Err(problems) => {
            certificates.refused();
            for problem in problems {
                warn!(listener = %by, %problem, "certificates not reloaded, those that were read before stay");
            }
            false
        }
    }
}

// === impl Seen ===

impl Seen {
    /// The stamps of files that are others than those that were read, once they have been so for a while.
    fn settled(&mut self, read: &Tls) -> Option<Stamps> {
        let now = read.settings().stamps();
        if now == *read.stamps() {
            *self = Self::default();
            return None;
        }
        if self.refused.as_ref() == Some(&now) {
            return None;
        }
        if self.changed.as_ref() != Some(&now) {
            self.changed = Some(now);
            return None;
        }
        self.changed.take()
    }
}
