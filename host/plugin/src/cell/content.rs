//! What is in a cell.

use crate::{instance::BehaviorInstance, rest::Saved, slots::Slot};
use std::mem;

pub(crate) enum Content {
    /// No instance yet, but room for one; and what it is to go on with.
    Room(Slot, Option<Saved>),
    Live(Box<BehaviorInstance>),
    /// No instance and no room: what the last one left.
    Asleep(Saved),
    /// With whoever has the turn, or dead.
    Taken,
}

// === impl Content ===

impl Content {
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::Taken)
    }
}
