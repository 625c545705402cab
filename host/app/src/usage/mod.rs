//! What tenants use, for those who bill and watch: as metrics of their own, and as files.

mod export;
mod series;

pub(crate) use export::{Export, UsagePlan};
pub(crate) use series::TenantSeries;
