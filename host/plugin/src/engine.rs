//! The two engines: a pool for lean components, on-demand allocation for the rest.

use crate::{config::EngineConfig, host, slots::Slots, state::State};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};

/// What guest code may use of its stack.
const GUEST_STACK: usize = 512 << 10;
/// What is left of a stack for host functions.
const HOST_STACK: usize = 512 << 10;
/// What stays in memory of a stack that is free: as much as a plain call uses. The rest goes back to the system, or one plugin that
/// recurses would leave the memory of every stack behind.
const IDLE_STACK: usize = 16 << 10;

/// The size of a component that fits a slot of the pool.
pub(crate) mod slot {
    /// Core instances: the component's own and the glue that the tools add.
    pub(crate) const CORE_INSTANCES: u32 = 4;
    /// Linear memories.
    pub(crate) const MEMORIES: u32 = 1;
    /// Tables: the component's own and the glue's.
    pub(crate) const TABLES: u32 = 3;
    /// Elements of each table.
    pub(crate) const TABLE_ELEMENTS: usize = 2_048;
    /// Bytes of memory; also the address space that a slot takes.
    pub(crate) const MEMORY: usize = 64 << 20;
}

/// How instances of a component are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    /// From a pool: microseconds. For components of a few core instances and one memory.
    Pool,
    /// Each by itself: for large runtimes such as Python.
    OnDemand,
}

/// An engine and what its components may import.
pub(crate) struct Workshop {
    pub(crate) engine: Engine,
    pub(crate) behaviors: Linker<State>,
    pub(crate) authenticators: Linker<State>,
    pub(crate) slots: Slots,
}

pub(crate) struct Engines {
    pool: Workshop,
    on_demand: Workshop,
}

// === impl Engines ===

impl Engines {
    pub(crate) fn new(config: &EngineConfig) -> wasmtime::Result<Self> {
        Ok(Self {
            pool: Workshop::new(&pooled(config), config.max_instances)?,
            on_demand: Workshop::new(&common(), config.max_large_instances)?,
        })
    }

    pub(crate) fn get(&self, allocation: Allocation) -> &Workshop {
        match allocation {
            Allocation::Pool => &self.pool,
            Allocation::OnDemand => &self.on_demand,
        }
    }

    pub(crate) fn both(&self) -> [&Engine; 2] {
        [&self.pool.engine, &self.on_demand.engine]
    }
}

// === impl Workshop ===

impl Workshop {
    fn new(config: &Config, instances: u32) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        Ok(Self {
            behaviors: host::for_behaviors(&engine)?,
            authenticators: host::for_authenticators(&engine)?,
            slots: Slots::new(instances),
            engine,
        })
    }
}

/// What both engines have in common. The proposals that are off are the ones that no plugin needs and most advisories concern.
/// Modules with several memories are for the glue that the compiler makes between components; [`features`] keeps plugins from them.
fn common() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(GUEST_STACK + HOST_STACK)
        .async_stack_zeroing(true)
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_tail_call(false)
        .wasm_stack_switching(false)
        .wasm_relaxed_simd(false)
        .wasm_component_model_async(false)
        .gc_support(false);
    config
}

/// With reserved slots instead of guard pages and copy-on-write images, an instance costs few of the 65,530 mappings of a process.
fn pooled(config: &EngineConfig) -> Config {
    // A slot is given back a moment before the pool has it again: hence some more.
    let total = Slots::total(config.max_instances).saturating_add(64);
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
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(IDLE_STACK)
        .pagemap_scan(Enabled::Auto);
    let mut config = common();
    config
        .memory_reservation(slot::MEMORY as u64)
        .memory_guard_size(0)
        .memory_init_cow(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The proposals that plugins may use, for a check before the compiler sees a component.
pub(crate) fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures as F;
    let off = F::CM_ASYNC.union(F::GC_TYPES);
    F::WASM2
        .union(F::EXTENDED_CONST)
        .union(F::COMPONENT_MODEL)
        .union(F::CALL_INDIRECT_OVERLONG)
        .union(F::BULK_MEMORY_OPT)
        .difference(off)
}
