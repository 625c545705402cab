//! How many instances may be alive at once, and who comes first: instances that serve connections for long are refused when there
//! is no room, instances for a single call wait their turn.

use socklet_core::{Permit, Room};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::watch;

/// Of this many instances for connections, there is room for one more for a single call.
const PASSING_SHARE: u32 = 8;
/// Room for single calls at least.
const PASSING_MIN: u32 = 16;

/// The room of one engine, or of one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    lasting: Room,
    passing: Room,
    pressure: Arc<Pressure>,
}

/// Instances that want to wake up where there is no room: others should go to sleep for them.
#[derive(Debug)]
struct Pressure {
    pressed: AtomicUsize,
    risen: watch::Sender<()>,
}

/// One of those, for as long as it waits.
struct Pressing<'a>(&'a Pressure);

/// Room for one instance; kept for as long as it lives.
#[derive(Debug)]
pub(crate) struct Slot {
    _of_tenant: Permit,
    _of_engine: Permit,
}

/// The room that a tenant has in an engine: the engine's own, and the tenant's quota.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    engine: Slots,
    tenant: Slots,
}

/// Tells when somebody waits for room.
#[derive(Debug)]
pub(crate) struct Risen {
    engine: watch::Receiver<()>,
    tenant: watch::Receiver<()>,
}

// === impl Rooms ===

impl Rooms {
    pub(crate) fn new(engine: Slots, tenant: Slots) -> Self {
        Self { engine, tenant }
    }

    /// Room for an instance that serves connections, if there is any.
    pub(crate) fn lasting(&self) -> Option<Slot> {
        Some(Slot { _of_tenant: self.tenant.lasting.try_enter()?, _of_engine: self.engine.lasting.try_enter()? })
    }

    /// Waits for room for an instance that wakes up, for a single call or for longer. Meanwhile those that can are put to sleep.
    /// Cancel-safe.
    pub(crate) async fn waking(&self, for_one_call: bool) -> Slot {
        let _of_tenant = self.tenant.waking(for_one_call).await;
        Slot { _of_engine: self.engine.waking(for_one_call).await, _of_tenant }
    }

    /// Room for an instance that serves a single call, if nobody waits for that.
    pub(crate) fn try_passing(&self) -> Option<Slot> {
        Some(Slot { _of_tenant: self.tenant.passing.try_enter()?, _of_engine: self.engine.passing.try_enter()? })
    }

    /// Waits for room for an instance that serves a single call. Cancel-safe.
    pub(crate) async fn passing(&self) -> Slot {
        let _of_tenant = self.tenant.passing.enter().await;
        Slot { _of_engine: self.engine.passing.enter().await, _of_tenant }
    }

    /// Whether the tenant has as many instances as it may.
    pub(crate) fn is_over_quota(&self) -> bool {
        self.tenant.lasting.free() == 0
    }

    /// How many instances wait for room to wake up in.
    pub(crate) fn pressed(&self) -> usize {
        self.engine.pressed() + self.tenant.pressed()
    }

    /// Tells when that becomes more.
    pub(crate) fn pressure(&self) -> Risen {
        Risen { engine: self.engine.pressure(), tenant: self.tenant.pressure() }
    }
}

// === impl Risen ===

impl Risen {
    /// Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        let Self { engine, tenant } = self;
        tokio::select! {
            _ = engine.changed() => {}
            _ = tenant.changed() => {}
        }
    }
}

// === impl Slots ===

impl Slots {
    pub(crate) fn new(lasting: u32) -> Self {
        Self::of(lasting as usize, passing(lasting) as usize)
    }

    /// Those of a tenant with this quota.
    pub(crate) fn of_tenant(quota: Option<usize>) -> Self {
        let (lasting, passing) = rooms(quota);
        Self::of(lasting, passing)
    }

    fn of(lasting: usize, passing: usize) -> Self {
        Self { lasting: Room::new(lasting), passing: Room::new(passing), pressure: Arc::default() }
    }

    /// The tenant has another quota from now on. Instances that are there stay.
    pub(crate) fn resize(&self, quota: Option<usize>) {
        let (lasting, passing) = rooms(quota);
        self.lasting.resize(lasting);
        self.passing.resize(passing);
    }

    /// Instances that serve connections.
    pub(crate) fn used(&self) -> usize {
        self.lasting.used()
    }

    /// Room for instances for single calls, and no others.
    pub(crate) fn for_single_calls(passing: u32) -> Self {
        Self::of(0, passing as usize)
    }

    /// Instances in all where so many may serve connections.
    pub(crate) fn total(lasting: u32) -> u32 {
        lasting.saturating_add(passing(lasting))
    }

    /// How many instances may serve connections, of those that are wanted, where there may be so many in all.
    pub(crate) fn fitting(total: u32, wanted: u32) -> u32 {
        if total >= Self::total(wanted) {
            return wanted;
        }
        let most = (u64::from(total) * u64::from(PASSING_SHARE) / u64::from(PASSING_SHARE + 1)) as u32;
        most.min(total.saturating_sub(PASSING_MIN)).min(wanted)
    }

    async fn waking(&self, for_one_call: bool) -> Permit {
        let _pressing = Pressing::new(&self.pressure);
        tokio::select! {
            permit = self.lasting.enter() => permit,
            permit = self.passing.enter(), if for_one_call => permit,
        }
    }

    fn pressed(&self) -> usize {
        self.pressure.pressed.load(SeqCst)
    }

    fn pressure(&self) -> watch::Receiver<()> {
        self.pressure.risen.subscribe()
    }
}

// === impl Pressure ===

impl Default for Pressure {
    fn default() -> Self {
        Self { pressed: AtomicUsize::new(0), risen: watch::Sender::new(()) }
    }
}

// === impl Pressing ===

impl<'a> Pressing<'a> {
    fn new(pressure: &'a Pressure) -> Self {
        pressure.pressed.fetch_add(1, SeqCst);
        pressure.risen.send_replace(());
        Self(pressure)
    }
}

impl Drop for Pressing<'_> {
    fn drop(&mut self) {
        self.0.pressed.fetch_sub(1, SeqCst);
    }
}

/// Room for instances that serve connections, and for single calls, in a quota.
fn rooms(quota: Option<usize>) -> (usize, usize) {
    let clamped = quota.map(|quota| u32::try_from(quota).unwrap_or(u32::MAX));
    clamped.map_or((Room::UNLIMITED, Room::UNLIMITED), |quota| (quota as usize, passing(quota) as usize))
}

fn passing(lasting: u32) -> u32 {
    (lasting / PASSING_SHARE).max(PASSING_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_fits() {
        for total in [0, 10, 100, 1_000, 45_056, 1 << 30] {
            let lasting = Slots::fitting(total, u32::MAX);
            assert!(lasting == 0 || Slots::total(lasting) <= total, "{total}: {lasting}");
            assert!(Slots::total(lasting) + 2 * PASSING_SHARE >= total, "{total}: {lasting}");
            assert_eq!(Slots::fitting(total, 1).min(1), lasting.min(1));
        }
    }
}
