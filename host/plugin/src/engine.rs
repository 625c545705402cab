//! The engines: two for instances that live for one call, two for instances that live as long as a connection, one for large
//! components.

use crate::{
    config::EngineConfig,
    contract::Kind,
    host,
    mappings::Budget,
    profile::{Profile, slot},
    shelf::Shelf,
    slots::Slots,
    stacks::Stacks,
    state::State,
};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};

/// What stays in memory of a stack that is free: as much as a plain call uses. The rest goes back to the system, or one plugin that
/// recurses would leave the memory of every stack behind.
const IDLE_STACK: usize = 16 << 10;
/// Authenticators that are asked at the same time; further requests wait their turn. Beyond the cores more only helps those that
/// compute for long, and slots are used in turns: the fewer there are, the more of them the processor's cache holds.
const ASKED: u32 = 48;
/// Authenticators that wait for what they are granted, at the same time.
const WAITING: u32 = 1_024;
/// The same for events that have an instance of their own.
const EVENTS: u32 = 96;
/// What stays in memory of a slot of a pool: what a small guest writes to, so that the next one finds it. With its stack and tables,
/// and for every slot of both pools, this is what an attack leaves behind: 27 MiB.
const IDLE_MEMORY: usize = 128 << 10;
/// See [`IDLE_MEMORY`].
const IDLE_TABLE: usize = 4 << 10;
/// The most memory that an instance of a lean component has at the start: as much is copied when it grows for the first time.
pub(crate) const LEAN_MEMORY: u64 = 256 << 10;

/// How instances of a component are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    /// With exactly the memory that they have now, without mappings of their own. For components of a few core instances and one
    /// memory of at most 256 KiB at the start.
    Lean,
    /// With address space reserved for the memory to grow into. For components of a few core instances and one memory.
    Medium,
    /// With guard pages and images of their memory, shared until it is written to. For large runtimes such as Python.
    Large,
}

/// An engine and what its components may import.
pub(crate) struct Workshop {
    pub(crate) engine: Engine,
    /// What it runs is compiled for this.
    pub(crate) profile: Profile,
    pub(crate) linker: Linker<State>,
    pub(crate) slots: Slots,
    /// None: every instance has a stack.
    pub(crate) stacks: Option<Stacks>,
    /// Its components that are in use.
    pub(crate) shelf: Shelf,
}

pub(crate) struct Engines {
    authenticators: Workshop,
    /// Those that wait for what they are granted: they would take the slots of the pool from those that do not.
    waiting_authenticators: Workshop,
    events: Workshop,
    lean: Workshop,
    medium: Workshop,
    large_authenticators: Workshop,
    large: Workshop,
}

// === impl Engines ===

impl Engines {
    pub(crate) fn new(config: &EngineConfig) -> wasmtime::Result<Self> {
        let budget = Budget::new(config);
        let stacks = Stacks::new(budget.kept, Budget::LENT);
        let (pool, events) = (Engine::new(&pooled(ASKED))?, Engine::new(&pooled(EVENTS))?);
        let [lean, medium, large] = [Profile::Lean, Profile::Medium, Profile::Large].map(plain);
        let (lean, medium, large) = (lean?, medium?, large?);
        let large_slots = Slots::new(config.max_large_instances);
        Ok(Self {
            authenticators: Workshop {
                linker: host::for_authenticators(&pool)?,
                engine: pool,
                profile: Profile::Pooled,
                slots: Slots::for_single_calls(ASKED),
                stacks: None,
                shelf: Shelf::default(),
            },
            events: Workshop {
                linker: host::for_behaviors(&events)?,
                engine: events,
                profile: Profile::Pooled,
                slots: Slots::for_single_calls(EVENTS),
                stacks: None,
                shelf: Shelf::default(),
            },
            lean: Workshop {
                linker: host::for_behaviors(&lean)?,
                engine: lean,
                profile: Profile::Lean,
                slots: Slots::new(budget.lean),
                stacks: Some(stacks.clone()),
                shelf: Shelf::default(),
            },
            waiting_authenticators: Workshop {
                linker: host::for_authenticators(&medium)?,
                engine: medium.clone(),
                profile: Profile::Medium,
                slots: Slots::for_single_calls(WAITING),
                stacks: None,
                shelf: Shelf::default(),
            },
            medium: Workshop {
                linker: host::for_behaviors(&medium)?,
                engine: medium,
                profile: Profile::Medium,
                slots: Slots::new(budget.medium),
                stacks: Some(stacks),
                shelf: Shelf::default(),
            },
            large_authenticators: Workshop {
                linker: host::for_authenticators(&large)?,
                engine: large.clone(),
                profile: Profile::Large,
                slots: large_slots.clone(),
                stacks: None,
                shelf: Shelf::default(),
            },
            large: Workshop {
                linker: host::for_behaviors(&large)?,
                engine: large,
                profile: Profile::Large,
                slots: large_slots,
                stacks: None,
                shelf: Shelf::default(),
            },
        })
    }

    /// `waits`: its instances may wait for something that they are granted.
    pub(crate) fn get(&self, kind: Kind, allocation: Allocation, waits: bool) -> &Workshop {
        match (kind, allocation) {
            (Kind::Authenticator, Allocation::Lean | Allocation::Medium) if waits => &self.waiting_authenticators,
            (Kind::Authenticator, Allocation::Lean | Allocation::Medium) => &self.authenticators,
            (Kind::Authenticator, Allocation::Large) => &self.large_authenticators,
            (Kind::Behavior, Allocation::Lean) => &self.lean,
            (Kind::Behavior, Allocation::Medium) => &self.medium,
            (Kind::Behavior, Allocation::Large) => &self.large,
        }
    }

    /// Where a behavior has an instance for each event; none for large components, which have no engine for that, and for those that
    /// may wait, which would take its slots from the others.
    pub(crate) fn for_events(&self, allocation: Allocation, waits: bool) -> Option<&Workshop> {
        match allocation {
            Allocation::Lean | Allocation::Medium if !waits => Some(&self.events),
            _ => None,
        }
    }

    pub(crate) fn all(&self) -> [&Engine; 5] {
        [&self.authenticators, &self.events, &self.lean, &self.medium, &self.large].map(|workshop| &workshop.engine)
    }
}

/// With instances that are allocated one by one.
pub(crate) fn plain(profile: Profile) -> wasmtime::Result<Engine> {
    Engine::new(&profile.config())
}

/// Whether the kernel tells which pages of a memory were written to (`PAGEMAP_SCAN`, Linux 6.7): instances for single calls cost less
/// then.
pub fn has_page_scan() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// For instances that live for one call: slots that keep what the next instance needs.
fn pooled(instances: u32) -> Config {
    // A slot is given back a moment before the pool has it again: hence some more.
    let total = instances + instances / 4;
    // Without the scan, what is kept is cleared as a whole each time, and that takes longer than to have it anew.
    let (memory, table) = if has_page_scan() { (IDLE_MEMORY, IDLE_TABLE) } else { (0, 0) };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(total)
        .total_core_instances(total.saturating_mul(slot::CORE_INSTANCES))
        .total_memories(total.saturating_mul(slot::MEMORIES))
        .total_tables(total.saturating_mul(slot::TABLES))
        .total_stacks(total)
        .max_core_instances_per_component(slot::CORE_INSTANCES)
        .max_memories_per_component(slot::MEMORIES)
        .max_tables_per_component(slot::TABLES)
        .table_elements(slot::TABLE_ELEMENTS)
        .max_memory_size(slot::MEMORY)
        .linear_memory_keep_resident(memory)
        .table_keep_resident(table)
        .async_stack_keep_resident(IDLE_STACK)
        .pagemap_scan(Enabled::Auto);
    let mut config = Profile::Pooled.config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Origin;

    #[test]
    fn a_pool_runs_what_was_compiled_without_one() {
        let origin = |engine: &Engine| Origin::new(engine, "").engine;
        let compiler = origin(&plain(Profile::Pooled).unwrap());
        for instances in [ASKED, EVENTS] {
            assert_eq!(origin(&Engine::new(&pooled(instances)).unwrap()), compiler);
        }
        assert_ne!(origin(&plain(Profile::Lean).unwrap()), compiler);
    }
}
