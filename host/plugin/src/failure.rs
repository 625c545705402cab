//! Why a call has no answer, and how that is told: in full to the log, as a kind and an event id to everybody else.

use crate::{
    host::log::clean,
    meter::{Account, Exceeded, TimedOut},
    metrics::{Hook, Outcome},
    state::Scope,
    surroundings::GuestFailure,
};
use socklet_core::{CallError, DeathKind, EventId, News};
use tracing::{info, warn};
use wasmtime::{Trap, component::ResourceTableError};

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest died.
    Died(DeathKind, String),
    /// The caller went away, and the instance with it.
    Canceled,
    /// There is no room for an instance.
    Busy,
    /// The host failed.
    Host(String),
}

// === impl Failure ===

impl Failure {
    /// An error out of a running guest.
    pub(crate) fn in_call(error: &wasmtime::Error, account: &Account) -> Self {
        let kind = match kind(error).unwrap_or(DeathKind::Trap) {
            DeathKind::Trap if account.was_refused() => DeathKind::Memory,
            kind => kind,
        };
        Self::Died(kind, details(error))
    }

    /// An error out of a component that was being instantiated: the guest's only when it says so.
    pub(crate) fn at_start(error: &wasmtime::Error, account: &Account) -> Self {
        if kind(error).is_some() || account.was_refused() {
            return Self::in_call(error, account);
        }
        Self::Host(details(error))
    }

    /// Logs the failure under a new event id; the error for the caller has only that.
    pub(crate) fn report(&self, scope: &Scope, hook: Hook) -> CallError {
        let event = EventId::next();
        let Scope { tenant, route, plugin, metrics, .. } = scope;
        let hook = hook.as_str();
        if let Some(surroundings) = &scope.surroundings {
            let (kind, error) = self.described();
            surroundings.failure(scope.guest(), GuestFailure { hook, kind, error });
        }
        match self {
            Self::Died(kind, error) => {
                let reason = kind.as_str();
                warn!(name: "failed", %event, %tenant, %route, %plugin, hook, kind = reason, error, "plugin instance died");
                metrics.tell(News::Died { tenant: tenant.name(), route, plugin, hook, kind: *kind, event });
                CallError::Died { kind: *kind, event }
            }
            Self::Canceled => {
                info!(name: "failed", %event, %tenant, %route, %plugin, hook, "call given up by its connection, instance dropped");
                CallError::Died { kind: DeathKind::Timeout, event }
            }
            Self::Busy => {
                warn!(name: "failed", %event, %tenant, %route, %plugin, hook, "no instance is free, raise the engine's number of instances");
                CallError::Busy { event }
            }
            Self::Host(error) => {
                warn!(name: "failed", %event, %tenant, %route, %plugin, hook, error, "failed to call plugin");
                CallError::Host { event }
            }
        }
    }

    /// What killed the instance, if that is it, and more about it.
    fn described(&self) -> (Option<DeathKind>, &str) {
        match self {
            Self::Died(kind, error) => (Some(*kind), error),
            Self::Canceled => (Some(DeathKind::Timeout), "given up by its connection"),
            Self::Busy => (None, "no instance is free"),
            Self::Host(error) => (None, error),
        }
    }

    /// The wall-clock limit of a call was over.
    pub(crate) fn timed_out(TimedOut: TimedOut) -> Self {
        Self::Died(DeathKind::Timeout, "waited for too long".into())
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Died(kind, _) => Outcome::Died(*kind),
            Self::Canceled => Outcome::Canceled,
            Self::Busy | Self::Host(_) => Outcome::Host,
        }
    }
}

/// What an error says about the guest that it came from; none when it says nothing.
fn kind(error: &wasmtime::Error) -> Option<DeathKind> {
    if let Some(Exceeded(kind, _)) = error.downcast_ref() {
        return Some(*kind);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Some(match trap {
            Trap::StackOverflow => DeathKind::Stack,
            Trap::Interrupt => DeathKind::Deadline,
            _ => DeathKind::Trap,
        });
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some(DeathKind::HostCalls);
    }
    if error.is::<wasmtime_wasi::I32Exit>() {
        return Some(DeathKind::Trap);
    }
    // These two errors of the virtual machine have no public type.
    let text = error.root_cause().to_string();
    let spent = ["fuel allocated for hostcalls has been exhausted", "store handle limit exceeded"];
    spent.iter().any(|limit| text.contains(limit)).then_some(DeathKind::HostCalls)
}

/// The error with its causes and the guest's backtrace, as one line: names in it are the guest's. The host's own backtrace,
/// which the debug format has, says nothing about the guest.
fn details(error: &wasmtime::Error) -> String {
    clean(&format!("{error:#}")).into_owned()
}
