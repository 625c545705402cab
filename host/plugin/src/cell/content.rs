//! What is in a cell.

use crate::{instance::BehaviorInstance, rest::Saved, slots::Slot, version::Version};
use std::sync::Arc;

/// Who is in a cell while nobody has the turn.
pub(crate) struct Occupant {
    pub(super) version: Arc<Version>,
    pub(super) content: Content,
    pub(super) fallback: Option<Box<Fallback>>,
}

pub(crate) enum Content {
    /// No instance yet, but room for one; and what it is to go on with.
    Room(Slot, Option<Saved>),
    Live(Box<BehaviorInstance>),
    /// No instance and no room: what the last one left.
    Asleep(Saved),
}

/// What goes on where an instance of a new version dies before anybody has heard of it: the version before it, from there.
pub(crate) struct Fallback {
    pub(super) version: Arc<Version>,
    pub(super) saved: Saved,
}
