//! How many instances may be alive at once, and who comes first: instances that serve connections for long are refused when there
//! is no room, instances for a single call wait their turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Of this many instances for connections, there is room for one more for a single call.
const PASSING_SHARE: u32 = 8;
/// Room for single calls at least.
const PASSING_MIN: u32 = 16;

/// The room of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    lasting: Arc<Semaphore>,
    passing: Arc<Semaphore>,
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
    _permit: OwnedSemaphorePermit,
    /// That of the tenant's quota.
    _of_tenant: Option<OwnedSemaphorePermit>,
}

/// The room that a tenant has in an engine: the engine's own, and where there is a quota, the tenant's.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    engine: Slots,
    tenant: Option<Slots>,
}

/// Tells when somebody waits for room.
#[derive(Debug)]
pub(crate) struct Risen {
    engine: watch::Receiver<()>,
    tenant: Option<watch::Receiver<()>>,
}

// === impl Rooms ===

impl Rooms {
    pub(crate) fn new(engine: Slots, tenant: Option<Slots>) -> Self {
        Self { engine, tenant }
    }

    /// Room for an instance that serves connections, if there is any.
    pub(crate) fn lasting(&self) -> Option<Slot> {
        let of_tenant = self.tenant.as_ref().map(Slots::lasting);
        Slot::both(self.engine.lasting(), of_tenant)
    }

    /// Waits for room for an instance that wakes up, for a single call or for longer. Meanwhile those that can are put to sleep.
    /// Cancel-safe.
    pub(crate) async fn waking(&self, for_one_call: bool) -> Slot {
        let _of_tenant = match &self.tenant {
            Some(tenant) => Some(tenant.waking(for_one_call).await),
            None => None,
        };
        Slot { _permit: self.engine.waking(for_one_call).await, _of_tenant }
    }

    /// Room for an instance that serves a single call, if nobody waits for that.
    pub(crate) fn try_passing(&self) -> Option<Slot> {
        let of_tenant = self.tenant.as_ref().map(Slots::try_passing);
        Slot::both(self.engine.try_passing(), of_tenant)
    }

    /// Waits for room for an instance that serves a single call. Cancel-safe.
    pub(crate) async fn passing(&self) -> Slot {
        let _of_tenant = match &self.tenant {
            Some(tenant) => Some(tenant.passing().await),
            None => None,
        };
        Slot { _permit: self.engine.passing().await, _of_tenant }
    }

    /// Whether the tenant has as many instances as it may.
    pub(crate) fn is_over_quota(&self) -> bool {
        self.tenant.as_ref().is_some_and(|tenant| tenant.lasting.available_permits() == 0)
    }

    /// How many instances wait for room to wake up in.
    pub(crate) fn pressed(&self) -> usize {
        self.engine.pressed() + self.tenant.as_ref().map_or(0, Slots::pressed)
    }

    /// Tells when that becomes more.
    pub(crate) fn pressure(&self) -> Risen {
        Risen { engine: self.engine.pressure(), tenant: self.tenant.as_ref().map(Slots::pressure) }
    }
}

// === impl Risen ===

impl Risen {
    /// Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        let Self { engine, tenant } = self;
        let of_tenant = async {
            match tenant {
                Some(tenant) => drop(tenant.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = engine.changed() => {}
            () = of_tenant => {}
        }
    }
}

// === impl Slot ===

impl Slot {
    fn both(engine: Option<OwnedSemaphorePermit>, of_tenant: Option<Option<OwnedSemaphorePermit>>) -> Option<Self> {
        match (engine, of_tenant) {
            (Some(_permit), None) => Some(Self { _permit, _of_tenant: None }),
            (Some(_permit), Some(Some(of_tenant))) => Some(Self { _permit, _of_tenant: Some(of_tenant) }),
            _ => None,
        }
    }
}

// === impl Slots ===

impl Slots {
    pub(crate) fn new(lasting: u32) -> Self {
        let semaphore = |slots: u32| Arc::new(Semaphore::new(slots as usize));
        Self { lasting: semaphore(lasting), passing: semaphore(passing(lasting)), pressure: Arc::default() }
    }

    /// Room for instances for single calls, and no others.
    pub(crate) fn for_single_calls(passing: u32) -> Self {
        let semaphore = |slots: u32| Arc::new(Semaphore::new(slots as usize));
        Self { lasting: semaphore(0), passing: semaphore(passing), pressure: Arc::default() }
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

    fn lasting(&self) -> Option<OwnedSemaphorePermit> {
        self.lasting.clone().try_acquire_owned().ok()
    }

    async fn waking(&self, for_one_call: bool) -> OwnedSemaphorePermit {
        let _pressing = Pressing::new(&self.pressure);
        let permit = tokio::select! {
            permit = self.lasting.clone().acquire_owned() => permit,
            permit = self.passing.clone().acquire_owned(), if for_one_call => permit,
        };
        permit.expect("never closed")
    }

    fn pressed(&self) -> usize {
        self.pressure.pressed.load(SeqCst)
    }

    fn pressure(&self) -> watch::Receiver<()> {
        self.pressure.risen.subscribe()
    }

    fn try_passing(&self) -> Option<OwnedSemaphorePermit> {
        self.passing.clone().try_acquire_owned().ok()
    }

    async fn passing(&self) -> OwnedSemaphorePermit {
        self.passing.clone().acquire_owned().await.expect("never closed")
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
