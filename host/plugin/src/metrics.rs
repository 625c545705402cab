//! What is counted of guests. No label names a tenant or a route; every label has a closed set of values.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use socklet_core::DeathKind;
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
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
    calls: Family<Call, Counter>,
    durations: [Histogram; Hook::ALL.len()],
    /// The calls that are many, resolved once.
    ok: [Counter; Hook::ALL.len()],
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
    live: Gauge,
    traps: Family<Trap, Counter>,
    auth: Family<Auth, Counter>,
}

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
struct Auth {
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
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let calls = Family::<Call, Counter>::default();
        let durations =
            Family::<Called, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(1e-6, 4.0, 13)));
        let instances = Family::<InState, Gauge>::default();
        let inner = Inner {
            ok: Hook::ALL.map(|hook| {
                calls.get_or_create_owned(&Call { hook: Word(hook.as_str()), outcome: Word(Outcome::Ok.as_str()) })
            }),
            durations: Hook::ALL.map(|hook| durations.get_or_create_owned(&Called { hook: Word(hook.as_str()) })),
            live: instances.get_or_create_owned(&InState { state: Word("live") }),
            calls,
            cpu: Counter::default(),
            memory: Gauge::default(),
            traps: Family::default(),
            auth: Family::default(),
        };
        registry.register("plugin_calls", "Calls into plugins", inner.calls.clone());
        registry.register("plugin_call_duration_seconds", "Time from a call's start to its answer", durations);
        registry.register("plugin_cpu_seconds", "CPU time of calls into plugins, approximate", inner.cpu.clone());
        registry.register("plugin_memory_bytes", "Linear memory of all live instances", inner.memory.clone());
        registry.register("plugin_instances", "Instances", instances);
        registry.register("plugin_traps", "Instances that died in a call", inner.traps.clone());
        registry.register("auth", "Answers of authenticators", inner.auth.clone());
        Self(Arc::new(inner))
    }

    pub(crate) fn called(&self, hook: Hook, outcome: Outcome, duration: Duration, cpu: Duration) {
        match outcome {
            Outcome::Ok => drop(self.0.ok[hook as usize].inc()),
            _ => drop(
                self.0.calls.get_or_create(&Call { hook: Word(hook.as_str()), outcome: Word(outcome.as_str()) }).inc(),
            ),
        }
        if let Outcome::Died(_) | Outcome::Canceled = outcome {
            self.0.traps.get_or_create(&Trap { reason: Word(outcome.as_str()) }).inc();
        }
        self.0.durations[hook as usize].observe(duration.as_secs_f64());
        self.0.cpu.inc_by(cpu.as_secs_f64());
    }

    pub(crate) fn authenticated(&self, outcome: AuthOutcome) {
        self.0.auth.get_or_create(&Auth { outcome: Word(outcome.as_str()) }).inc();
    }

    pub(crate) fn live(&self) -> &Gauge {
        &self.0.live
    }

    pub(crate) fn memory(&self) -> &Gauge {
        &self.0.memory
    }
}

// === impl Hook ===

impl Hook {
    const ALL: [Self; 6] = [Self::Authenticate, Self::Upgrade, Self::Open, Self::Frame, Self::Message, Self::Close];

    /// The function's name in the contract.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Upgrade => "on-upgrade",
            Self::Open => "on-open",
            Self::Frame => "on-frame",
            Self::Message => "on-message",
            Self::Close => "on-close",
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
