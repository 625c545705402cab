//! What the files of tenants take over from the main file.

use super::sections;
use socklet_core::ListenerName;
use std::{collections::BTreeSet, time::Duration};

/// What a route or a tenant is surrounded by, wherever it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Base {
    pub(super) send_timeout: Duration,
    pub(super) heartbeat: sections::Heartbeat,
    pub(super) limits: sections::ConnectionLimits,
    pub(super) quotas: sections::Quotas,
    pub(super) listeners: Vec<ListenerName>,
    /// The plugins that all tenants share, whether or not they are right.
    pub(super) plugins: BTreeSet<String>,
}
