//! How many instances may be alive at once, and who comes first: instances that serve connections for long are refused when there
//! is no room, instances for a single call wait their turn.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of this many instances for connections, there is room for one more for a single call.
const PASSING_SHARE: u32 = 8;
/// Room for single calls at least.
const PASSING_MIN: u32 = 16;

/// The room of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    lasting: Arc<Semaphore>,
    passing: Arc<Semaphore>,
}

/// Room for one instance; kept for as long as it lives.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

// === impl Slots ===

impl Slots {
    pub(crate) fn new(lasting: u32) -> Self {
        let semaphore = |slots: u32| Arc::new(Semaphore::new(slots as usize));
        Self { lasting: semaphore(lasting), passing: semaphore(passing(lasting)) }
    }

    /// All of it.
    pub(crate) fn total(lasting: u32) -> u32 {
        lasting.saturating_add(passing(lasting))
    }

    /// Room for an instance that serves connections, if there is any.
    pub(crate) fn lasting(&self) -> Option<Slot> {
        self.lasting.clone().try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// Room for an instance that serves a single call, if nobody waits for that.
    pub(crate) fn try_passing(&self) -> Option<Slot> {
        self.passing.clone().try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// Waits for room for an instance that serves a single call. Cancel-safe.
    pub(crate) async fn passing(&self) -> Slot {
        let permit = self.passing.clone().acquire_owned().await.expect("never closed");
        Slot { _permit: permit }
    }
}

fn passing(lasting: u32) -> u32 {
    (lasting / PASSING_SHARE).max(PASSING_MIN)
}
