//! What all plugins of one tenant share of the engine.

use crate::{fair::Share, slots::Slots};
use socklet_core::{Tenant, TenantName};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What all plugins of one tenant share of the engine. Lives as long as any of them.
#[derive(Debug)]
pub(crate) struct Household {
    pub(crate) share: Arc<Share>,
    /// Where the tenant has a quota of instances.
    pub(crate) slots: Option<Slots>,
}

/// Those of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Households(Mutex<HashMap<TenantName, Weak<Household>>>);

// === impl Households ===

impl Households {
    /// That of a tenant.
    pub(crate) fn get(&self, tenant: &Arc<Tenant>) -> Arc<Household> {
        let mut households = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(household) = households.get(tenant.name()).and_then(Weak::upgrade) {
            return household;
        }
        households.retain(|_, household| household.strong_count() > 0);
        let household = Arc::new(Household::new(tenant.clone()));
        households.insert(tenant.name().clone(), Arc::downgrade(&household));
        household
    }
}

// === impl Household ===

impl Household {
    pub(crate) fn new(tenant: Arc<Tenant>) -> Self {
        let slots = tenant.quotas().instances.map(|max| Slots::new(u32::try_from(max).unwrap_or(u32::MAX)));
        Self { share: Share::new(tenant), slots }
    }
}
