//! What can go wrong in a call: the guest's death and our failure, never mixed with the guest's answer.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Why a call has no answer. The details are in the log, under the event id; nothing of them may reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The instance died in the call. It is gone.
    #[error("plugin died ({}), event {event}", kind.as_str())]
    Died {
        /// What killed it.
        kind: DeathKind,
        /// Where the log tells more.
        event: EventId,
    },
    /// There is no room for an instance now. It passes.
    #[error("no room for an instance, event {event}")]
    Busy {
        /// Where the log tells more.
        event: EventId,
    },
    /// The plugin has died so often that it is left alone for a while. Only at upgrades.
    #[error("plugin rests for {retry_after:?}")]
    Resting {
        /// When to try again.
        retry_after: Duration,
    },
    /// The host could not make the call.
    #[error("host failed to call the plugin, event {event}")]
    Host {
        /// Where the log tells more.
        event: EventId,
    },
}

/// What killed an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeathKind {
    /// It trapped by itself: a panic, a bad access, an exit.
    Trap,
    /// It used up its CPU time for the call.
    Deadline,
    /// It waited for the host longer than a call may take.
    Timeout,
    /// It outgrew its memory or tables.
    Memory,
    /// It outgrew its stack.
    Stack,
    /// It used up its budget of host calls or of data passed to the host.
    HostCalls,
    /// Its answer breaks the contract.
    InvalidAnswer,
    /// It could not load the state that an instance before it had saved.
    Load,
}

/// Names one failure, in the log and in the close reason or response body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u64);

/// Tells every connection that an instance serves when that instance has died. Clones share one fate.
#[derive(Clone, Debug, Default)]
pub struct Lifeline {
    token: CancellationToken,
    event: Arc<OnceLock<EventId>>,
}

// === impl CallError ===

impl CallError {
    /// Where the log tells more.
    pub fn event(&self) -> EventId {
        match self {
            Self::Died { event, .. } | Self::Busy { event } | Self::Host { event } => *event,
            // Told of once, when it began.
            Self::Resting { .. } => EventId::next(),
        }
    }
}

// === impl DeathKind ===

impl DeathKind {
    /// The kind's name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::HostCalls => "host-calls",
            Self::InvalidAnswer => "invalid-answer",
            Self::Load => "load",
        }
    }
}

// === impl EventId ===

impl EventId {
    /// A new id. Ids do not reveal how many there were.
    pub fn next() -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Lifeline ===

impl Lifeline {
    /// The instance has died. Only the first call counts.
    pub fn cut(&self, event: EventId) {
        let _ = self.event.set(event);
        self.token.cancel();
    }

    /// The event of its death, once it has died.
    pub fn death(&self) -> Option<EventId> {
        self.event.get().copied()
    }

    /// Waits until the instance has died. Cancel-safe.
    pub async fn died(&self) -> EventId {
        self.token.cancelled().await;
        *self.event.get().expect("cut sets the event before it cancels")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lifeline_tells_all_its_clones() {
        let line = Lifeline::default();
        let clone = line.clone();
        assert_eq!(clone.death(), None);
        let event = EventId::next();
        line.cut(event);
        line.cut(EventId::next());
        assert_eq!(clone.died().await, event);
        assert_eq!(clone.death(), Some(event));
    }
}
