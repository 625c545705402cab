//! What the compiler has to know of an engine. Whoever compiles makes its engine from here, and so does whoever runs the code.

use std::{fmt, str::FromStr};
use wasmtime::Config;

/// What guest code may use of its stack.
const GUEST_STACK: usize = 512 << 10;
/// What is left of a stack for host functions.
const HOST_STACK: usize = 512 << 10;

/// The size of a component that is not large.
pub(crate) mod slot {
    /// Core instances: the component's own and the glue that the tools add.
    pub(crate) const CORE_INSTANCES: u32 = 4;
    /// Linear memories.
    pub(crate) const MEMORIES: u32 = 1;
    /// Tables: the component's own and the glue's.
    pub(crate) const TABLES: u32 = 3;
    /// Elements of each table.
    pub(crate) const TABLE_ELEMENTS: usize = 2_048;
    /// Bytes of memory; also the address space that is reserved for it where it is reserved.
    pub(crate) const MEMORY: usize = 64 << 20;
}

/// A kind of engine as the compiler sees it. Engines of the same profile run the same code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Instances that live for one call.
    Pooled,
    /// Instances that live as long as a connection, without address space to grow into.
    Lean,
    /// The same, with address space.
    Medium,
    /// Large runtimes.
    Large,
}

/// Not the name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a profile")]
pub(crate) struct UnknownProfile(String);

// === impl Profile ===

impl Profile {
    pub(crate) const ALL: [Self; 4] = [Self::Pooled, Self::Lean, Self::Medium, Self::Large];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Lean => "lean",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// The settings, without how instances are allocated: that is nothing to the compiler.
    pub(crate) fn config(self) -> Config {
        let mut config = common();
        match self {
            Self::Pooled => {
                config.memory_reservation(slot::MEMORY as u64).memory_guard_size(0);
            }
            Self::Lean => compact(&mut config, 0),
            Self::Medium => compact(&mut config, slot::MEMORY as u64),
            Self::Large => {}
        }
        config
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name).ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}

/// What all engines have in common. The proposals that are off are the ones that no plugin needs and most advisories concern.
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

/// For instances that live as long as a connection. Nothing is kept of one that is gone. Without guard pages and images, and with
/// nothing reserved, the memories of neighbors are one mapping; growing is copying then.
fn compact(config: &mut Config, reserved: u64) {
    config.memory_reservation(reserved).memory_reservation_for_growth(0).memory_guard_size(0).memory_init_cow(false);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("".parse::<Profile>().is_err() && "Lean".parse::<Profile>().is_err());
    }
}
