//! What is counted of guests. No label names a tenant or a route; every label has a closed set of values.

use crate::durations::Durations;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use socklet_core::{DeathKind, Herald, News};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The functions of a plugin that the host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hook {
    Authenticate,
    Upgrade,
    Open,
    Frame,
    Message,
    Close,
    Timer,
    /// `save`.
    Save,
    /// `load`, where an instance moves to another version. Elsewhere it is part of the call that wakes the instance.
    Load,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// With an answer.
    Ok,
    /// With the guest's own no: a close frame, a response, a denial.
    Refused,
    /// With the guest's death.
    Died(DeathKind),
    /// The caller went away.
    Canceled,
    /// With our failure.
    Host,
}

/// How an authentication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AuthOutcome {
    Grant,
    Abstain,
    Deny,
    Failed,
}

/// Everything that is counted of guests. Clones count together.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    herald: Option<Arc<dyn Herald>>,
    calls: Arc<Calls>,
    memory: Gauge,
    live: Gauge,
    asleep: Gauge,
    saved: Gauge,
    hibernations: Family<Hibernation, Counter>,
    recycled: Family<Trap, Counter>,
    breakers: Gauge,
    swaps: Family<Swap, Counter>,
    quotas: Family<Quota, Counter>,
    traps: Family<Trap, Counter>,
    auth: Family<Auth, Counter>,
    requests: Family<Auth, Counter>,
    stored: Family<Stored, Counter>,
}

/// What three series tell of calls.
#[derive(Debug, Default)]
struct Calls {
    /// Those that are many: answered at once, so that their time is their CPU time.
    at_once: Durations,
    /// All others.
    others: Durations,
    /// Those of the others that were answered.
    answered: [AtomicU64; Hook::ALL.len()],
    /// Those of the others that ended in another way.
    otherwise: Family<Call, Counter>,
    /// CPU time of the others.
    cpu_nanos: AtomicU64,
}

/// Calls by how they ended.
#[derive(Debug)]
struct Ends(Arc<Calls>);

/// Calls by duration.
#[derive(Debug)]
struct Times(Arc<Calls>);

/// CPU time of all calls.
#[derive(Debug)]
struct Cpu(Arc<Calls>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    hook: Word,
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    hook: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Trap {
    reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hibernation {
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Quota {
    quota: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Swap {
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Auth {
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stored {
    operation: Word,
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: Word,
}

/// A label's value that is known at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

// === impl Metrics ===

impl Metrics {
    /// Registers everything; the registry brings the prefix.
    pub(crate) fn register(registry: &mut Registry, herald: Option<Arc<dyn Herald>>) -> Self {
        let instances = Family::<InState, Gauge>::default();
        let inner = Inner {
            calls: Arc::default(),
            live: instances.get_or_create_owned(&InState { state: Word("live") }),
            asleep: instances.get_or_create_owned(&InState { state: Word("hibernated") }),
            saved: Gauge::default(),
            hibernations: Family::default(),
            recycled: Family::default(),
            breakers: Gauge::default(),
            swaps: Family::default(),
            quotas: Family::default(),
            memory: Gauge::default(),
            traps: Family::default(),
            auth: Family::default(),
            requests: Family::default(),
            stored: Family::default(),
            herald,
        };
        registry.register("plugin_calls", "Calls into plugins", Ends(inner.calls.clone()));
        registry.register(
            "plugin_call_duration_seconds",
            "Time from a call's start to its answer",
            Times(inner.calls.clone()),
        );
        registry.register(
            "plugin_cpu_seconds",
            "CPU time of calls into plugins, approximate",
            Cpu(inner.calls.clone()),
        );
        registry.register("plugin_memory_bytes", "Linear memory of all live instances", inner.memory.clone());
        registry.register("plugin_instances", "Instances", instances);
        registry.register("plugin_saved_bytes", "What hibernated instances have saved", inner.saved.clone());
        registry.register(
            "plugin_hibernations",
            "Attempts to put an idle instance to sleep",
            inner.hibernations.clone(),
        );
        registry.register(
            "plugin_recycled",
            "Instances that were replaced because of their age or memory",
            inner.recycled.clone(),
        );
        registry.register(
            "plugin_breakers_open",
            "Routes that refuse new connections because their instances keep dying",
            inner.breakers.clone(),
        );
        registry.register(
            "plugin_quota_hits",
            "How often a tenant's plugins were refused something, or had to wait, because of a quota",
            inner.quotas.clone(),
        );
        registry.register("plugin_swaps", "Changes of a plugin's version", inner.swaps.clone());
        registry.register("plugin_traps", "Instances that died in a call", inner.traps.clone());
        registry.register("auth", "Answers of authenticators", inner.auth.clone());
        registry.register("plugin_http_requests", "HTTP requests of plugins", inner.requests.clone());
        registry.register("plugin_keyvalue_operations", "Operations on key-value stores", inner.stored.clone());
        Self(Arc::new(inner))
    }

    /// Counts a call that was answered on its caller's thread, without waiting.
    pub(crate) fn answered_at_once(&self, hook: Hook, duration: Duration) {
        self.0.calls.at_once.observe(hook, duration);
    }

    /// Counts any other call.
    pub(crate) fn called(&self, hook: Hook, outcome: Outcome, duration: Duration, cpu: Duration) {
        let calls = &self.0.calls;
        match outcome {
            Outcome::Ok => drop(calls.answered[hook as usize].fetch_add(1, Relaxed)),
            _ => drop(calls.otherwise.get_or_create(&Call::new(hook, outcome)).inc()),
        }
        if let Outcome::Died(_) | Outcome::Canceled = outcome {
            self.0.traps.get_or_create(&Trap { reason: Word(outcome.as_str()) }).inc();
        }
        calls.others.observe(hook, duration);
        calls.cpu_nanos.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn authenticated(&self, outcome: AuthOutcome) {
        self.0.auth.get_or_create(&Auth { outcome: Word(outcome.as_str()) }).inc();
    }

    /// An HTTP request of a plugin has a response, or will have none.
    pub(crate) fn requested(&self, outcome: &'static str) {
        self.0.requests.get_or_create(&Auth { outcome: Word(outcome) }).inc();
    }

    /// Something was done with a key-value store, or was not.
    pub(crate) fn stored(&self, operation: &'static str, outcome: &'static str) {
        self.0.stored.get_or_create(&Stored { operation: Word(operation), outcome: Word(outcome) }).inc();
    }

    /// An instance went to sleep and left so many bytes.
    pub(crate) fn slept(&self, bytes: i64) {
        self.0.asleep.inc();
        self.0.saved.inc_by(bytes);
        self.0.hibernations.get_or_create(&Hibernation { outcome: Word("ok") }).inc();
    }

    /// What it left is not kept any more.
    pub(crate) fn woke(&self, bytes: i64) {
        self.0.asleep.dec();
        self.0.saved.dec_by(bytes);
    }

    /// An instance was replaced.
    pub(crate) fn recycled(&self, reason: &'static str) {
        self.0.recycled.get_or_create(&Trap { reason: Word(reason) }).inc();
    }

    /// An instance could not be put to sleep.
    pub(crate) fn stayed_awake(&self, outcome: &'static str) {
        self.0.hibernations.get_or_create(&Hibernation { outcome: Word(outcome) }).inc();
    }

    /// A plugin was refused something, or has to wait, since its tenant has as much as it may.
    pub(crate) fn over_quota(&self, quota: &'static str) {
        self.0.quotas.get_or_create(&Quota { quota: Word(quota) }).inc();
    }

    /// A plugin has another version, or was to have one.
    pub(crate) fn swapped(&self, outcome: &'static str) {
        self.0.swaps.get_or_create(&Swap { outcome: Word(outcome) }).inc();
    }

    /// Tells operators who listen.
    pub(crate) fn tell(&self, news: News<'_>) {
        if let Some(herald) = &self.0.herald {
            herald.tell(news);
        }
    }

    pub(crate) fn breakers(&self) -> &Gauge {
        &self.0.breakers
    }

    pub(crate) fn live(&self) -> &Gauge {
        &self.0.live
    }

    pub(crate) fn memory(&self) -> &Gauge {
        &self.0.memory
    }
}

// === impl Ends ===

impl EncodeMetric for Ends {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for hook in Hook::ALL {
            let answered = self.0.at_once.row(hook).count() + self.0.answered[hook as usize].load(Relaxed);
            let labels = Call::new(hook, Outcome::Ok);
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&answered, None)?;
        }
        self.0.otherwise.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

// === impl Times ===

impl EncodeMetric for Times {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for hook in Hook::ALL {
            let row = self.0.at_once.row(hook).and(&self.0.others.row(hook));
            let seconds = Duration::from_nanos(row.nanos).as_secs_f64();
            let labels = Called { hook: Word(hook.as_str()) };
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seconds,
                row.count(),
                &row.bounded(),
                None,
            )?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

// === impl Cpu ===

impl EncodeMetric for Cpu {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let at_once: u64 = Hook::ALL.iter().map(|hook| self.0.at_once.row(*hook).nanos).sum();
        let nanos = at_once + self.0.cpu_nanos.load(Relaxed);
        let seconds = Duration::from_nanos(nanos).as_secs_f64();
        encoder.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

// === impl Call ===

impl Call {
    fn new(hook: Hook, outcome: Outcome) -> Self {
        Self { hook: Word(hook.as_str()), outcome: Word(outcome.as_str()) }
    }
}

// === impl Hook ===

impl Hook {
    pub(crate) const ALL: [Self; 9] = [
        Self::Authenticate,
        Self::Upgrade,
        Self::Open,
        Self::Frame,
        Self::Message,
        Self::Close,
        Self::Timer,
        Self::Save,
        Self::Load,
    ];

    /// The function's name in the contract.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Upgrade => "on-upgrade",
            Self::Open => "on-open",
            Self::Frame => "on-frame",
            Self::Message => "on-message",
            Self::Close => "on-close",
            Self::Timer => "on-timer",
            Self::Save => "save",
            Self::Load => "load",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Died(kind) => kind.as_str(),
            Self::Canceled => "canceled",
            Self::Host => "host",
        }
    }
}

// === impl AuthOutcome ===

impl AuthOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Abstain => "abstain",
            Self::Deny => "deny",
            Self::Failed => "failed",
        }
    }
}

// === impl Word ===

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}
