//! How many instances the process has memory mappings for. When they run out, whatever allocates memory next ends the process, so
//! the limit is kept from the start, in the worst case: no two memories are side by side.

use crate::{config::EngineConfig, slots::Slots};
use std::fs;
use tracing::warn;

/// What the kernel allows unless it was told otherwise.
const UNTUNED: u32 = 65_530;
/// Mappings for everything else: code, threads, the allocator, the pool of authenticators, large components.
const OTHER: u32 = 8 << 10;
/// Mappings of a stack: itself and its guard page.
const STACK: u32 = 2;
/// Mappings of a medium instance: its memory and what is reserved behind it.
const MEDIUM: u32 = 2;

/// What the mappings are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Lean instances that serve connections.
    pub(crate) lean: u32,
    /// Medium ones.
    pub(crate) medium: u32,
    /// Instances that keep the stack of their last call.
    pub(crate) kept: u32,
}

// === impl Budget ===

impl Budget {
    /// Stacks that are lent: calls that are going on in instances that keep none. Most such calls wait for something.
    pub(crate) const LENT: u32 = 2_048;

    /// For as many instances of either kind as are wanted, as far as the limit allows.
    pub(crate) fn new(config: &EngineConfig) -> Self {
        let (wanted, budget) = (config.max_instances, Self::of(config));
        if budget.lean < wanted {
            warn!(wanted, possible = budget.lean, "vm.max_map_count allows fewer instances than configured, raise it");
        }
        budget
    }

    /// As [`Budget::new`], without a word when it is not enough.
    pub(crate) fn of(config: &EngineConfig) -> Self {
        Self::within(config.max_mappings.or_else(of_kernel).unwrap_or(UNTUNED), config.max_instances)
    }

    fn within(limit: u32, wanted: u32) -> Self {
        let all = Slots::total(wanted);
        let left = limit.saturating_sub(OTHER + STACK * Self::LENT);
        let lean = all.min(left);
        let left = left - lean;
        let medium = all.min(left / 3 * 2 / MEDIUM);
        let kept = lean.saturating_add(medium).min((left - MEDIUM * medium) / STACK);
        Self { lean: Slots::fitting(lean, wanted), medium: Slots::fitting(medium, wanted), kept }
    }
}

fn of_kernel() -> Option<u32> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untuned_kernel_has_room_for_forty_thousand() {
        assert_eq!(Budget::within(UNTUNED, 40_000).lean, 40_000);
        let Budget { lean, medium, kept } = Budget::within(UNTUNED, 10_000);
        assert_eq!((lean, medium), (10_000, 10_000));
        assert!(kept > 9_000, "{kept}");
        let tuned = Budget::within(1 << 20, 40_000);
        assert_eq!(tuned, Budget { lean: 40_000, medium: 40_000, kept: 90_000 });
    }

    #[test]
    fn it_is_never_overdrawn() {
        for limit in [0, 1_000, 12_288, 13_000, 30_000, UNTUNED, 262_144, u32::MAX] {
            for wanted in [0, 1, 16, 2_000, 10_000, 40_000, 60_000, 1_000_000] {
                let Budget { lean, medium, kept } = Budget::within(limit, wanted);
                assert!(lean <= wanted && medium <= wanted);
                let (lean, medium) = (room(lean), room(medium));
                let spent = lean + MEDIUM as u64 * medium + u64::from(STACK) * u64::from(kept);
                let available = limit.saturating_sub(OTHER + STACK * Budget::LENT);
                // Room for a few single calls is there whatever happens.
                let least = u64::from(Slots::total(0)) * 3;
                assert!(spent <= u64::from(available) + least, "{limit} {wanted}: {spent}");
            }
        }
    }

    fn room(lasting: u32) -> u64 {
        u64::from(Slots::total(lasting))
    }
}
