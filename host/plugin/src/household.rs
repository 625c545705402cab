//! What all plugins of one tenant share of the engine.

use crate::{fair::Share, outgoing::Queue, slots::Slots};
use socklet_core::{Tenant, TenantName};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What all plugins of one tenant share of the engine. Lives as long as any of them.
#[derive(Debug)]
pub(crate) struct Household {
    pub(crate) share: Arc<Share>,
    /// The tenant's quota of instances.
    pub(crate) slots: Slots,
    /// Its HTTP requests.
    pub(crate) requests: Arc<Queue>,
}

/// Those of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Households(Mutex<HashMap<TenantName, Weak<Household>>>);

// === impl Households ===

impl Households {
    /// That of a tenant, where one of its plugins is in use.
    pub(crate) fn find(&self, tenant: &TenantName) -> Option<Arc<Household>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant)?.upgrade()
    }

    /// That of a tenant.
    pub(crate) fn get(&self, tenant: &Arc<Tenant>) -> Arc<Household> {
        let mut households = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(household) = households.get(tenant.name()).and_then(Weak::upgrade) {
            return household;
        }
        // Not at every time: there may be thousands.
        if households.len().is_power_of_two() {
            households.retain(|_, household| household.strong_count() > 0);
        }
        let household = Arc::new(Household::new(tenant.clone()));
        households.insert(tenant.name().clone(), Arc::downgrade(&household));
        household
    }
}

// === impl Household ===

impl Household {
    pub(crate) fn new(tenant: Arc<Tenant>) -> Self {
        let quotas = tenant.quotas();
        Self {
            share: Share::new(tenant),
            slots: Slots::of_tenant(quotas.instances),
            requests: Arc::new(Queue::new(quotas.http_requests)),
        }
    }
}
