//! What instances perceive of the world beside their route, time and chance, and who hears what becomes of them. The machine's, where
//! nobody gives others: a test has its own, and so has whoever records an instance or runs it again.

use rand::TryRng;
use socklet_core::{DeathKind, PluginId, RouteName, TenantName};
use std::{convert::Infallible, fmt::Debug, sync::Arc, time::Duration};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// The world around the instances of an engine.
pub trait Surroundings: Debug + Send + Sync {
    /// What a new instance perceives. None: the machine's clocks and randomness.
    fn senses(&self, of: GuestOf<'_>) -> Option<Arc<dyn Senses>>;

    /// A line that a guest wrote and that was let into the log: cleaned, and one line.
    fn line(&self, _of: GuestOf<'_>, _line: GuestLine<'_>) {}

    /// A call failed.
    fn failure(&self, _of: GuestOf<'_>, _failure: GuestFailure<'_>) {}
}

/// The clocks and the randomness of one instance. Asked while the instance is called, and by nobody else.
pub trait Senses: Debug + Send + Sync {
    /// The time since 1970-01-01T00:00:00Z (`wasi:clocks/wall-clock`).
    fn wall_time(&self) -> Duration;

    /// The time since some moment. It never goes back (`wasi:clocks/monotonic-clock`).
    fn monotonic_time(&self) -> Duration;

    /// Fills the bytes (`wasi:random/random`).
    fn random(&self, bytes: &mut [u8]);

    /// Fills the bytes (`wasi:random/insecure`).
    fn insecure_random(&self, bytes: &mut [u8]);

    /// What tables are hashed with (`wasi:random/insecure-seed`). Asked once, when the instance is made.
    fn insecure_seed(&self) -> u128;
}

/// Whose guest something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestOf<'a> {
    /// Who its route belongs to. `-` while a plugin is tried out.
    pub tenant: &'a TenantName,
    /// Its route. `-` while a plugin is tried out.
    pub route: &'a RouteName,
    /// Its plugin.
    pub plugin: &'a PluginId,
}

/// A line of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLine<'a> {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// Where it was written: `log`, `stdout`, `stderr`; `host` where lines were dropped.
    pub stream: &'static str,
    /// The line.
    pub text: &'a str,
}

/// A call that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFailure<'a> {
    /// The call.
    pub hook: &'static str,
    /// What killed the instance. None: it was not the guest's failure.
    pub kind: Option<DeathKind>,
    /// More about it, the guest's backtrace included.
    pub error: &'a str,
}

/// The senses of an instance, in the words of WASI.
#[derive(Clone, Debug)]
struct Clock(Arc<dyn Senses>);

/// See [`Clock`].
#[derive(Clone, Debug)]
struct Chance {
    senses: Arc<dyn Senses>,
    secure: bool,
}

/// Gives an instance senses.
pub(crate) fn give(builder: &mut WasiCtxBuilder, senses: Arc<dyn Senses>) {
    builder
        .insecure_random_seed(senses.insecure_seed())
        .wall_clock(Clock(senses.clone()))
        .monotonic_clock(Clock(senses.clone()))
        .secure_random(Chance { senses: senses.clone(), secure: true })
        .insecure_random(Chance { senses, secure: false });
}

// === impl Clock ===

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.wall_time()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.monotonic_time().as_nanos()).unwrap_or(u64::MAX)
    }
}

// === impl Chance ===

impl Chance {
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&self, bytes: &mut [u8]) {
        if self.secure { self.senses.random(bytes) } else { self.senses.insecure_random(bytes) }
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}
