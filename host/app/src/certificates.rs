//! The certificates of listeners while the server runs: read again when their files change, told of before they expire, measured.

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

/// The certificates of all listeners. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    listeners: Arc<Mutex<BTreeMap<ListenerName, TlsAcceptor>>>,
    reloads: Family<Reload, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

/// What was seen of the files of listeners.
#[derive(Debug, Default)]
struct Watch {
    listeners: BTreeMap<ListenerName, Seen>,
    /// When an end was told of: that of which listener's certificate, and when it comes.
    told: HashMap<(ListenerName, String, u64), Instant>,
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
    pub(crate) fn set(&self, listener: &ListenerName, acceptor: Option<&TlsAcceptor>) {
        match acceptor {
            Some(acceptor) => {
                warn_of(listener, &acceptor.current());
                self.lock().insert(listener.clone(), acceptor.clone());
            }
            None => drop(self.lock().remove(listener)),
        }
    }

    /// What a listener makes handshakes with.
    pub(crate) fn current(&self, listener: &ListenerName) -> Option<Tls> {
        self.lock().get(listener).map(TlsAcceptor::current)
    }

    /// Has a listener make handshakes with what was read just now.
    pub(crate) fn install(&self, listener: &ListenerName, tls: Tls) {
        let Some(acceptor) = self.lock().get(listener).cloned() else { return };
        warn_of(listener, &tls);
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ListenerName, TlsAcceptor>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what is not as it should be.
fn warn_of(listener: &ListenerName, tls: &Tls) {
    for warning in tls.warnings() {
        warn!(%listener, warning, "private key is not private");
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "When a certificate expires, or one that it was signed by";
        let name = "tls_certificate_not_after_timestamp";
        let mut encoder = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (listener, acceptor) in &*self.lock() {
            // Several certificates can be for one name, by keys of different kinds.
            let mut first = BTreeMap::new();
            for certificate in acceptor.current().certificates() {
                let end = first.entry(certificate.name.clone()).or_insert(u64::MAX);
                *end = certificate.not_after().min(*end);
            }
            for (name, end) in first {
                let labels = [("listener", listener.as_str()), ("name", &name)];
                let end = i64::try_from(end).unwrap_or(i64::MAX);
                ConstGauge::new(end).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

// === impl Watch ===

impl Watch {
    /// Looks once.
    fn look(&mut self, certificates: &Certificates) {
        let listeners = certificates.lock().clone();
        self.listeners.retain(|name, _| listeners.contains_key(name));
        self.told.retain(|_, told| told.elapsed() < AGAIN);
        for (name, acceptor) in listeners {
            let before = acceptor.current();
            let seen = self.listeners.entry(name.clone()).or_default();
            if let Some(changed) = seen.settled(&before) {
                let taken = read(certificates, &name, &acceptor, &before);
                seen.refused = (!taken).then_some(changed);
            }
            for certificate in acceptor.current().certificates() {
                self.tell_of_its_end(&name, certificate);
            }
        }
    }

    fn tell_of_its_end(&mut self, listener: &ListenerName, certificate: &TlsCertificate) {
        let now = SystemTime::now();
        if !certificate.is_about_to_expire(now) && certificate.problem(now).is_none() {
            return;
        }
        let key = (listener.clone(), certificate.name.clone(), certificate.not_after());
        if self.told.contains_key(&key) {
            return;
        }
        self.told.insert(key, Instant::now());
        let (name, path) = (&certificate.name, certificate.path.display());
        match certificate.problem(now) {
            Some(problem) => error!(%listener, name, %path, problem, "certificate is not valid"),
            None => {
                let days = certificate.seconds_left(now) / (24 * 3600);
                warn!(%listener, name, %path, days, "certificate expires soon");
            }
        }
    }
}

/// Reads files that have changed. Whether they are taken.
fn read(certificates: &Certificates, listener: &ListenerName, acceptor: &TlsAcceptor, before: &Tls) -> bool {
    let read = before.again().and_then(|tls| {
        let untimely = tls.untimely(SystemTime::now(), Some(before));
        if untimely.is_empty() { Ok(tls) } else { Err(untimely) }
    });
    match read {
        Ok(tls) => {
            warn_of(listener, &tls);
            let names = tls.certificates().iter().map(|certificate| certificate.name.as_str());
            let names = names.collect::<Vec<_>>().join(" ");
            // Unless somebody has reloaded the configuration meanwhile.
            if acceptor.install_instead_of(before, tls) {
                certificates.count("ok");
                info!(%listener, names, "certificates reloaded");
            }
            true
        }
        Err(problems) => {
            certificates.refused();
            for problem in problems {
                warn!(%listener, %problem, "certificates not reloaded, those that were read before stay");
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
