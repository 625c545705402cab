//! Caps what an instance allocates. Growth over a cap fails as the specification says; a guest that dies of it is known by that.

use crate::{meter::Account, state::Scope};
use socklet_core::Taken;
use std::sync::Arc;
use wasmtime::ResourceLimiter;

/// Core instances of one component instance; Python needs 38.
pub(crate) const CORE_INSTANCES: usize = 64;
/// Memories of one instance; Python needs 3.
pub(crate) const MEMORIES: usize = 8;
/// Tables of one instance.
pub(crate) const TABLES: usize = 16;
/// Elements of all tables of one instance; Python needs 6,000.
const TABLE_ELEMENTS: usize = 65_536;

/// The caps of one instance, and what it has of them.
#[derive(Debug)]
pub(crate) struct Limits {
    memory: usize,
    memory_max: usize,
    last_growth: usize,
    elements: usize,
    account: Arc<Account>,
    scope: Arc<Scope>,
    /// Of the tenant's quota.
    taken: Taken,
}

// === impl Limits ===

impl Limits {
    pub(crate) fn new(memory_max: usize, account: Arc<Account>, scope: Arc<Scope>) -> Self {
        let taken = scope.tenant.memory().nothing();
        Self { memory: 0, memory_max, last_growth: 0, elements: 0, account, scope, taken }
    }

    /// Bytes of memory now.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    fn shrink(&mut self, by: usize) {
        self.memory -= by;
        self.taken.shrink(by);
        self.scope.metrics.memory().dec_by(by as i64);
        self.scope.usage.memory.fall(by as u64);
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.shrink(self.memory);
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.last_growth = 0;
        let growth = desired.saturating_sub(current);
        if self.memory.saturating_add(growth) > self.memory_max {
            self.account.refuse();
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if !self.taken.grow(growth) {
            self.scope.metrics.over_quota("memory");
            self.account.refuse();
            return Ok(false);
        }
        self.memory += growth;
        self.last_growth = growth;
        self.scope.metrics.memory().inc_by(growth as i64);
        self.scope.usage.memory.rise(growth as u64);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        let growth = std::mem::take(&mut self.last_growth);
        self.shrink(growth);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        if self.elements.saturating_add(growth) > TABLE_ELEMENTS {
            self.account.refuse();
            return Ok(false);
        }
        self.elements += growth;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories_and_given_back() {
        let scope = Arc::new(Scope::for_tests());
        let account = Arc::new(Account::default());
        let mut limits = Limits::new(3, account.clone(), scope.clone());
        assert!(limits.memory_growing(0, 2, None).unwrap());
        assert!(!limits.memory_growing(0, 1, Some(0)).unwrap());
        assert!(!account.was_refused());
        assert!(!limits.memory_growing(0, 2, None).unwrap());
        assert!(account.was_refused());
        assert!(limits.memory_growing(0, 1, None).unwrap());
        assert_eq!((scope.metrics.memory().get(), scope.usage.memory.read().level), (3, 3));
        limits.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert_eq!((scope.metrics.memory().get(), scope.usage.memory.read().level), (2, 2));
        drop(limits);
        assert_eq!((scope.metrics.memory().get(), scope.usage.memory.read().level), (0, 0));
    }
}
