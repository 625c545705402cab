//! Time and chance of the instances of a test: the time of the test, and numbers that follow from its seed.

use super::World;
use rand::{Rng, SeedableRng, rngs::StdRng};
use socklet_core::DeathKind;
use socklet_plugin::{GuestFailure, GuestLine, GuestOf, Senses, Surroundings};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{conversation::Event, request::ROUTE};

/// What a monotonic clock says when the test begins. There are runtimes that take zero for a clock that does not work (Go).
const BEGINNING: Duration = Duration::from_secs(1);

/// What one instance perceives.
#[derive(Debug)]
struct FakeSenses {
    clock: Clock,
    // A std mutex: held for a few numbers and never across an await.
    chance: Mutex<StdRng>,
}

/// The time of a test, in both of its senses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The moment at which the test begins.
    pub(super) start: tokio::time::Instant,
    /// What the wall clock says then, since 1970.
    pub(super) epoch: Duration,
}

// === impl World ===

impl Surroundings for World {
    fn senses(&self, _: GuestOf<'_>) -> Option<Arc<dyn Senses>> {
        let number = {
            let mut state = self.state();
            state.instances += 1;
            state.instances
        };
        // Instances differ, and are the same in each run.
        let chance = StdRng::seed_from_u64(self.seed.rotate_left(32) ^ number);
        Some(Arc::new(FakeSenses { clock: self.clock, chance: Mutex::new(chance) }))
    }

    fn line(&self, of: GuestOf<'_>, line: GuestLine<'_>) {
        if of.route.as_str() == ROUTE {
            self.happened(None, Event::Log { level: line.level, text: line.text.to_owned() });
        }
    }

    fn failure(&self, of: GuestOf<'_>, failure: GuestFailure<'_>) {
        if of.route.as_str() == ROUTE {
            let kind = failure.kind.map_or("host", DeathKind::as_str);
            let error = match failure.kind {
                // Where it was at that moment is another place in each run: only the last of the causes is told.
                Some(DeathKind::Deadline) => failure.error.rsplit(": ").next().unwrap_or_default(),
                _ => failure.error,
            };
            self.happened(None, Event::Died { hook: failure.hook, kind, error: error.to_owned() });
        }
    }
}

// === impl Clock ===

impl Clock {
    pub(super) fn passed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn wall(&self) -> Duration {
        self.epoch + self.passed()
    }
}

// === impl FakeSenses ===

impl FakeSenses {
    fn chance(&self) -> MutexGuard<'_, StdRng> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Senses for FakeSenses {
    fn wall_time(&self) -> Duration {
        self.clock.wall()
    }

    fn monotonic_time(&self) -> Duration {
        BEGINNING + self.clock.passed()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.chance().fill_bytes(bytes);
    }

    fn insecure_random(&self, bytes: &mut [u8]) {
        self.chance().fill_bytes(bytes);
    }

    fn insecure_seed(&self) -> u128 {
        let mut bytes = [0; 16];
        self.chance().fill_bytes(&mut bytes);
        u128::from_le_bytes(bytes)
    }
}
